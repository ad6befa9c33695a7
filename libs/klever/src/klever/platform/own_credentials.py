"""All credentials that a platform generates, in its home. The module loads cryptography, unlike own_secrets."""

from .home import Home
from .nats_access import NatsAccess
from .own_secrets import provide_secret


def provide_credentials(home: Home) -> None:
    """Create the credentials of a platform that are missing in its home.

    Raises:
        PlatformError: others can access a secret, or the list of external systems is not valid.
        OSError: a file cannot be written.
    """
    NatsAccess(home.nats_files).prepare()
    for secret in (home.token, home.registry_password):
        provide_secret(secret)
