"""Environments of model servers, from the same recipes as those of conversions."""

from pathlib import Path

import structlog

from klever_deployer.errors import TOOLCHAIN_FAILED, ServingError
from modelconversion.errors import ConversionError
from modelconversion.toolchains.store import ToolchainStore

log = structlog.get_logger(__name__)


class LocalToolchains:
    """See `preparation.Toolchains`."""

    def __init__(self, store: ToolchainStore) -> None:
        self._store = store

    def is_installed(self, name: str) -> bool:
        """See `Toolchains`."""
        return any(each.installed for each in self._store.list() if each.name == name)

    async def ensure(self, name: str) -> Path:
        """See `Toolchains`."""
        try:
            return await self._store.ensure(name, lambda line: log.info("toolchain", toolchain=name, line=line))
        except ConversionError as error:
            raise ServingError(str(error), code=TOOLCHAIN_FAILED) from error
