"""Names in the distribution API: repositories, tags, digests."""

import re

from klever_registry.errors import DigestInvalidError, ManifestInvalidError, NameInvalidError
from kleverproto.references import REPOSITORY_PATTERN, TAG_PATTERN, is_digest

DEFAULT_PROJECT = "library"
LONGEST_NAME = 255

_REPOSITORY = re.compile(REPOSITORY_PATTERN)
_TAG = re.compile(TAG_PATTERN)
_REFERRERS_TAG = re.compile(r"^sha(256|512)-[0-9a-f]{64,}")


def repository_name(text: str) -> str:
    """Validate the name of a repository and add the default project: `iris` becomes `library/iris`, as on Docker Hub.

    Raises:
        NameInvalidError: the name is invalid by the distribution specification.
    """
    if len(text) > LONGEST_NAME or not _REPOSITORY.fullmatch(text):
        raise NameInvalidError(
            f"{text!r} is not a repository: use lower-case letters, digits and . _ - between them, parts split by /",
            detail={"name": text},
        )
    return text if "/" in text else f"{DEFAULT_PROJECT}/{text}"


def digest(text: str) -> str:
    """Validate a digest.

    Raises:
        DigestInvalidError: the text is not sha256 or sha512 in lower-case hexadecimal.
    """
    if not is_digest(text):
        raise DigestInvalidError(
            f"{text!r} is not a digest: write sha256:<64 hex digits> or sha512:<128 hex digits>",
            detail={"digest": text},
        )
    return text


def is_tag(reference: str) -> bool:
    """Return whether a manifest's reference is a tag. Otherwise it is a digest.

    Raises:
        DigestInvalidError: the reference has a colon but is not a digest.
        ManifestInvalidError: the reference is not a tag.
    """
    if ":" in reference:
        digest(reference)
        return False
    tag(reference)
    return True


def tag(text: str) -> str:
    """Validate a tag.

    Raises:
        ManifestInvalidError: the text is not a tag.
    """
    if not _TAG.fullmatch(text):
        raise ManifestInvalidError(
            f"{text!r} is not a tag: use up to 128 letters, digits and . _ -, with neither . nor - in front",
            detail={"tag": text},
        )
    return text


def names_referrers(checked: str) -> bool:
    """Return whether a tag is for referrers of a manifest (distribution-spec 1.1, cosign), so not for a model."""
    return _REFERRERS_TAG.match(checked) is not None


def algorithm(checked: str) -> str:
    """Return the hash algorithm of a digest."""
    return checked.partition(":")[0]


def hexadecimal(checked: str) -> str:
    """Return a digest without its algorithm."""
    return checked.partition(":")[2]
