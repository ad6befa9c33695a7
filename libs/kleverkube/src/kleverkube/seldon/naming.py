"""Names of SeldonDeployments and predictors, from which Seldon Core's operator derives the names of its objects.

The operator makes Deployment `SERVING-PREDICTOR-0-server` and Services `SERVING-PREDICTOR` and
`SERVING-PREDICTOR-server`. It replaces names of more than 63 characters by a hash.
"""

from hashlib import sha256

from kleverkube.errors import UnsupportedOnClusterError

VARIANT_LENGTH = 40
HASH_LENGTH = 8
"""Length of the hash; Services of Klever have another one, so that the operator derives none of their names."""


def predictor_name(serving: str, variant: str, revision: str) -> str:
    """The name of a version's predictor: the variant, shortened if necessary, and a hash.

    The hash covers serving, variant and revision, so that the operator derives different names for predictor `b-c` of
    serving `a` and predictor `c` of serving `a-b`.
    """
    digest = sha256(f"{serving}/{variant}/{revision}".encode()).hexdigest()[:HASH_LENGTH]
    return f"{variant[:VARIANT_LENGTH].rstrip('-')}-{digest}"


def check_serving_name(serving: str) -> None:
    """Raises UnsupportedOnClusterError if the operator cannot create Services for a serving of this name."""
    if not serving[0].isalpha():
        raise UnsupportedOnClusterError(
            f"Seldon Core names Services after the serving, and the name of a Service begins with a letter: rename the "
            f"serving {serving}"
        )
