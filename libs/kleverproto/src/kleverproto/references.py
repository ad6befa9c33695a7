"""Names of models: project, model, version, digest."""

import re
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from . import subjects
from .base import WireModel

DIGEST_PATTERN = r"^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"
REPOSITORY_PATTERN = r"^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$"
TAG_PATTERN = r"^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$"
DNS_LABEL_PATTERN = r"^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$"

Digest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]
Tag = Annotated[str, StringConstraints(pattern=TAG_PATTERN)]
Name = Annotated[str, StringConstraints(pattern=REPOSITORY_PATTERN, max_length=200)]
DnsLabel = Annotated[str, StringConstraints(pattern=DNS_LABEL_PATTERN)]


class InvalidReferenceError(ValueError):
    """The text is not a valid reference to a model version."""


class ModelRef(WireModel):
    """A reference to a model version: `project/model:version`.

    The OCI repository is `project/model`, and the version is its tag. The model's name may contain further slashes.
    """

    project: Name
    model: Name
    version: Tag

    @model_validator(mode="after")
    def _one_segment_project(self) -> Self:
        if "/" in self.project:
            raise ValueError(f"a project has no slash: {self.project!r}")
        return self

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `project/model:version`. The default project is `library`.

        Raises:
            InvalidReferenceError: the text is not of this form.
        """
        repository, colon, version = text.rpartition(":")
        if not colon or "/" in version:
            raise InvalidReferenceError(f"{text!r} names no version: write project/model:version")
        try:
            return cls.from_repository(repository, version)
        except ValueError as error:
            raise InvalidReferenceError(
                f"{text!r} is not a model version: write project/model:version, names in lower case"
            ) from error

    @classmethod
    def coerce(cls, ref: "ModelRef | str") -> "ModelRef":
        """Return a reference, parsed if it is text. Raises InvalidReferenceError."""
        return ref if isinstance(ref, ModelRef) else cls.parse(ref)

    @classmethod
    def from_repository(cls, repository: str, version: str) -> Self:
        """Return the reference for an OCI repository and tag."""
        project, slash, model = repository.partition("/")
        if not slash:
            project, model = "library", repository
        return cls(project=project, model=model, version=version)

    def with_version(self, version: str) -> Self:
        """Return the reference to another version of the same model."""
        return type(self)(project=self.project, model=self.model, version=version)

    @property
    def repository(self) -> str:
        """The OCI repository, `project/model`."""
        return f"{self.project}/{self.model}"

    @property
    def key(self) -> str:
        """Key of the version's document in `klever-models`."""
        return subjects.join(self.project, self.model, self.version)

    def __str__(self) -> str:
        return f"{self.repository}:{self.version}"


def dns_label(text: str) -> str:
    """Convert text to a DNS label: `v1.0` becomes `v1-0`; `model` if no letter or digit is left."""
    label = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:63].strip("-")
    return label or "model"


def names_registry(text: str) -> bool:
    """Return whether a name begins with a registry, by Docker's rule.

    The first of several parts is a registry if it contains a dot or a colon, or is `localhost`.
    """
    first, slash, _ = text.partition("/")
    return bool(slash) and (first == "localhost" or "." in first or ":" in first)


def is_digest(text: str) -> bool:
    """Return whether the text is a supported OCI digest (sha256 or sha512)."""
    return re.fullmatch(DIGEST_PATTERN, text) is not None
