"""Names of objects: within the limits of Kubernetes, and different for different versions."""

import re
from hashlib import sha256

NAME_LENGTH = 63
"""Maximum length of the name of a Service (RFC 1035), and of the value of a label."""
HASH_LENGTH = 10
LABEL_VALUE = re.compile(r"^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")


def version_name(serving: str, variant: str, revision: str, length: int = NAME_LENGTH) -> str:
    """The name of a version's Deployment, Service, autoscaler and network policy.

    It begins with serving and variant, shortened if necessary. The hash covers the parts separately, so that serving
    `a-b` with variant `c` and serving `a` with variant `b-c` have different names. The name of
    a Service begins with a letter.

    Args:
        serving: its name.
        variant: its name.
        revision: revision of the variant.
        length: most characters of the name.
    """
    digest = sha256(f"{serving}/{variant}/{revision}".encode()).hexdigest()[:HASH_LENGTH]
    readable = f"{serving}-{variant}"
    if not readable[0].isalpha():
        readable = f"s-{readable}"
    return f"{readable[: length - HASH_LENGTH - 1].rstrip('-')}-{digest}"


def is_label_value(text: str) -> bool:
    """Return whether a label of a node can have this value."""
    return LABEL_VALUE.match(text) is not None
