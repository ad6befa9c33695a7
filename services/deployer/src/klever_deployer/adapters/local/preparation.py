"""Prepares models and environments on this machine."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from klever_deployer.domain.runtimes import choose
from klever_deployer.domain.versions import ModelFacts, VersionSpec
from klever_deployer.errors import UNSANDBOXED, ServingError
from klever_deployer.ports import OnStep
from kleverkit.errors import TransientError
from kleverproto.variants import CUSTOM
from kleversandbox.support import Confinement
from modelformats.foreign_code import may_run_code

from .replica_specs import Prepared
from .shelf import Shelf


class Toolchains(Protocol):
    """Environments that model servers run in."""

    def is_installed(self, name: str) -> bool:
        """Return whether the environment is installed, so that `ensure` returns at once."""
        ...

    async def ensure(self, name: str) -> Path:
        """The environment's interpreter; installs it if necessary. Raises ServingError (`toolchain_failed`)."""
        ...


class LocalPreparation:
    """See `ports.Preparation`.

    Args:
        shelf: models on this machine.
        toolchains: environments of model servers.
        confinement: the sandbox for models that may run code.
    """

    def __init__(self, shelf: Shelf, toolchains: Toolchains, confinement: Confinement) -> None:
        self._shelf = shelf
        self._toolchains = toolchains
        self._confinement = confinement

    async def find(self, digest: str) -> ModelFacts | None:
        """See `Preparation`."""
        model = await self._shelf.find(digest)
        return ModelFacts(model.format, model.unverified) if model is not None else None

    async def prepare(self, spec: VersionSpec, on_step: OnStep) -> None:
        """See `Preparation`."""
        may_run = spec.runtime == CUSTOM or may_run_code(spec.model.facts.format)
        what = f"{spec.variant.model}, served by {spec.runtime},"
        if may_run and (refused := self._confinement.refusal(what)):
            raise ServingError(refused, code=UNSANDBOXED)
        await self._shelf.get(spec.model)
        toolchain = _toolchain(spec)
        if toolchain is None:
            return
        if not self._toolchains.is_installed(toolchain):
            await on_step(f"installing toolchain {toolchain}, which takes minutes the first time")
        await self._toolchains.ensure(toolchain)

    async def retain(self, digests: Collection[str]) -> None:
        """See `Preparation`."""
        await self._shelf.retain(digests)

    async def prepared(self, spec: VersionSpec) -> Prepared:
        """The prepared model and server of a version.

        Raises:
            TransientError: the model was removed meanwhile.
            ServingError: the environment cannot be installed.
        """
        model = await self._shelf.find(spec.model.digest)
        if model is None:
            raise TransientError(f"{spec.model.ref}@{spec.model.digest} was removed: it must be prepared again")
        toolchain = _toolchain(spec)
        described = replace(model, format=spec.model.facts.format)
        python = await self._toolchains.ensure(toolchain) if toolchain is not None else None
        return Prepared(described, spec.runtime, python, spec.trust)


def _toolchain(spec: VersionSpec) -> str | None:
    """The environment of the version's servers; None for the deployer's own."""
    choice = choose(spec.variant, spec.model.facts.format)
    return choice.toolchain if choice is not None else None
