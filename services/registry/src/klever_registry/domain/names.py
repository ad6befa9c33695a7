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
    """Check a repository's name and give it a project: `iris` is `library/iris`, as on Docker Hub.

    Raises:
        NameInvalidError: the name breaks the rules of the distribution specification.
    """
    if len(text) > LONGEST_NAME or not _REPOSITORY.fullmatch(text):
        raise NameInvalidError(
            f"{text!r} is not a repository: use lower-case letters, digits and . _ - between them, parts split by /",
            detail={"name": text},
        )
    return text if "/" in text else f"{DEFAULT_PROJECT}/{text}"


def digest(text: str) -> str:
    """Check a digest.

    Raises:
        DigestInvalidError: it is not sha256 or sha512 in lower-case hexadecimal.
    """
    if not is_digest(text):
        raise DigestInvalidError(
            f"{text!r} is not a digest: write sha256:<64 hex digits> or sha512:<128 hex digits>",
            detail={"digest": text},
        )
    return text


def is_tag(reference: str) -> bool:
    """Whether a manifest's reference is a tag; otherwise it is a digest.

    Raises:
        DigestInvalidError: it looks like a digest and is none.
        ManifestInvalidError: it is neither.
    """
    if ":" in reference:
        digest(reference)
        return False
    tag(reference)
    return True


def tag(text: str) -> str:
    """Check a tag.

    Raises:
        ManifestInvalidError: it is none.
    """
    if not _TAG.fullmatch(text):
        raise ManifestInvalidError(
            f"{text!r} is not a tag: use up to 128 letters, digits and . _ -, beginning with none of . and -",
            detail={"tag": text},
        )
    return text


def names_referrers(checked: str) -> bool:
    """Whether a tag lists or holds what refers to a manifest (distribution-spec 1.1, cosign), and so names no model."""
    return _REFERRERS_TAG.match(checked) is not None


def algorithm(checked: str) -> str:
    """The hash function of a digest."""
    return checked.partition(":")[0]


def hexadecimal(checked: str) -> str:
    """The digest without its algorithm."""
    return checked.partition(":")[2]
