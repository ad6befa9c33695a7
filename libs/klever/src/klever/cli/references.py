"""Model versions on the command line: `project/model:version`, also with a registry as `ormb push` prints it."""

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
"""Key in click's context of the registries in arguments, by model version."""


class ModelRefType(click.ParamType[ModelRef]):
    """A command-line argument with a model version."""

    name = "project/model:version"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ModelRef:
        """Parse the version, or fail with a message that shows the syntax."""
        text = str(value)
        try:
            if not names_registry(text):
                return ModelRef.parse(text)
            reference = Reference.parse_named(text)
            if reference.tag is None:
                raise InvalidReferenceError(f"{text!r} contains a digest: write a version, host/project/model:version")
            ref = ModelRef.from_repository(reference.repository, reference.tag)
        except (ValueError, OrmbError) as error:
            self.fail(str(error), param, ctx)
        if ctx is not None:
            ctx.meta.setdefault(REGISTRIES, {})[ref] = reference
        return ref


async def check_registries(client: "KleverClient", context: click.Context | None) -> None:
    """Check that versions are in the registries that the arguments name.

    Raises:
        ApiError: the gateway rejects the request.
        InputError: a version is in another registry.
    """
    named: dict[ModelRef, Reference] = context.meta.get(REGISTRIES, {}) if context else {}
    for ref, reference in named.items():
        try:
            registry = (await client.model(ref)).spec.registry
        except ApiError as error:
            if error.status == NOT_FOUND:
                continue  # reported by the caller
            raise
        if not _is_same(reference, registry):
            raise InputError(f"{ref} is in the registry {registry}, not in {reference.host}: write {ref}")


def _is_same(reference: Reference, registry: str) -> bool:
    """Return whether both names refer to the same registry; this machine has several names."""
    other = Reference(registry, reference.repository)
    both_here = reference.is_loopback and other.is_loopback
    return reference.host == registry or (both_here and _port(reference.host) == _port(registry))


def _port(host: str) -> str:
    return host.rpartition(":")[2]
