"""Model versions on the command line: `project/model:version`, or as `ormb push` prints them, after a registry."""

from typing import TYPE_CHECKING, Any

import click

from klever.errors import ApiError, InputError
from kleverproto.references import InvalidReferenceError, ModelRef, names_registry
from ormb.errors import OrmbError
from ormb.reference import Reference

if TYPE_CHECKING:
    from klever.client import KleverClient

NOT_FOUND = 404
REGISTRIES = "klever.registries"
"""Key in click's context: the registries that were named, by model version."""


class ModelRefType(click.ParamType[ModelRef]):
    """An argument that names a model version."""

    name = "project/model:version"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ModelRef:
        """Parse it, or say how one is written."""
        text = str(value)
        try:
            if not names_registry(text):
                return ModelRef.parse(text)
            reference = Reference.parse_named(text)
            if reference.tag is None:
                raise InvalidReferenceError(f"{text!r} names a digest: write the version, host/project/model:version")
            ref = ModelRef.from_repository(reference.repository, reference.tag)
        except (ValueError, OrmbError) as error:
            self.fail(str(error), param, ctx)
        if ctx is not None:
            ctx.meta.setdefault(REGISTRIES, {})[ref] = reference
        return ref


async def check_registries(client: "KleverClient", context: click.Context | None) -> None:
    """Refuse a version that lies in another registry than the one that was named.

    Raises:
        ApiError: the platform refuses to say.
        InputError: it lies elsewhere.
    """
    named: dict[ModelRef, Reference] = context.meta.get(REGISTRIES, {}) if context else {}
    for ref, reference in named.items():
        try:
            registry = (await client.model(ref)).spec.registry
        except ApiError as error:
            if error.status == NOT_FOUND:
                continue  # who wants it says what is missing
            raise
        if not _is_same(reference, registry):
            raise InputError(f"{ref} of this platform lies in {registry}, not in {reference.host}: name it as {ref}")


def _is_same(reference: Reference, registry: str) -> bool:
    """Whether both are one registry; this machine has several names."""
    other = Reference(registry, reference.repository)
    both_here = reference.is_loopback and other.is_loopback
    return reference.host == registry or (both_here and _port(reference.host) == _port(registry))


def _port(host: str) -> str:
    return host.rpartition(":")[2]
