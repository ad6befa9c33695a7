"""Settings of the registry."""

import ipaddress
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from kleverkit.directories import home_directory
from kleverkit.settings import ServiceSettings, split


class RegistrySettings(ServiceSettings):
    """Environment variables `KLEVER_REGISTRY_…`."""

    model_config = SettingsConfigDict(env_prefix="KLEVER_REGISTRY_", extra="ignore", use_attribute_docstrings=True)

    port: Annotated[int, Field(ge=0, le=65535)] = 5000
    """Port on which the registry is served; 0 lets the system choose and requires `public_address`."""
    data_dir: Path = Field(default_factory=lambda: home_directory() / "registry")
    """Directory of blobs and manifests. It must be a single file system, because blobs are shared by hard links."""
    min_free_mib: Annotated[float, Field(ge=0)] = 64.0
    """Minimum free space at `data_dir`. With less, the registry is not ready, because pushes are about to fail."""
    public_address: str | None = None
    """host:port from which the platform's services pull; by default host and port of this service."""
    accounts: Path | None = None
    """File of the accounts, which `klever registry account add` writes. It must exist at the start, unless
    `platform_password_file` is set; accounts that are added later are valid immediately."""
    platform_password_file: Path | None = None
    """File with the password of the user `klever`, the platform's own account with all rights. `klever up` creates
    it."""
    open: bool = False
    """Disable authentication: all requests may pull, push and delete. Only loopback is served. Otherwise `accounts` or
    `platform_password_file` is required."""
    reconcile_seconds: Annotated[float, Field(gt=0)] = 30.0
    """Pause between two comparisons of the registry with the catalogue."""
    max_manifest_bytes: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024
    """Maximum size of a manifest. Manifests are held in memory."""
    max_blob_bytes: Annotated[int, Field(ge=1024)] = 256 * 1024**3
    """Maximum size of a blob."""
    max_uploads: Annotated[int, Field(ge=1)] = 1000
    """Maximum number of open uploads of a project."""
    project_quota_bytes: Annotated[int, Field(gt=0)] | None = None
    """Quota of each project that has none in `accounts`; unlimited by default."""
    upload_ttl_hours: Annotated[float, Field(gt=0)] = 24.0
    """Time without new bytes after which an upload is removed."""
    collect_seconds: Annotated[float, Field(gt=0)] = 3600.0
    """Pause between two rounds of garbage collection."""
    collect_grace_hours: Annotated[float, Field(gt=0)] = 24.0
    """Time without a use after which an unreferenced blob is removed. It must be longer than any push."""
    external_registries: str = ""
    """host or host:port of external registries whose models are in the catalogue, too, comma-separated."""
    external_scan_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Pause between two comparisons of an external registry with the catalogue."""
    webhook_secret: SecretStr | None = None
    """Authorization header of external registries' notifications. Without it, no notifications are accepted."""

    @model_validator(mode="after")
    def _open_only_where_asked_for(self) -> Self:
        has_logins = self.accounts is not None or self.platform_password_file is not None
        if self.open == has_logins:
            raise ValueError(
                "set KLEVER_REGISTRY_ACCOUNTS=<file>, which `klever registry account add` writes, or "
                "KLEVER_REGISTRY_PLATFORM_PASSWORD_FILE=<file>, or both; or else KLEVER_REGISTRY_OPEN=1, with which "
                "all users of this machine may pull, push and delete"
            )
        return self

    @model_validator(mode="after")
    def _open_only_on_loopback(self) -> Self:
        if self.open and not _is_loopback(self.host):
            raise ValueError(
                f"KLEVER_REGISTRY_OPEN disables authentication, and other machines may reach {self.host}: set "
                "KLEVER_REGISTRY_HOST=127.0.0.1, or KLEVER_REGISTRY_ACCOUNTS=<file> in place of KLEVER_REGISTRY_OPEN"
            )
        return self

    @model_validator(mode="after")
    def _address_is_known(self) -> Self:
        if self.public_address is None and (self.port == 0 or _is_wildcard(self.host)):
            raise ValueError(
                f"services cannot pull from {self.host}:{self.port}: set KLEVER_REGISTRY_PUBLIC_ADDRESS=<host>:<port>"
            )
        return self

    @property
    def address(self) -> str:
        """host:port in events and documents."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_address or f"{host}:{self.port}"

    @property
    def min_free_bytes(self) -> int:
        """See `min_free_mib`."""
        return int(self.min_free_mib * 1024 * 1024)

    @property
    def external_hosts(self) -> list[str]:
        """The external registries as a list."""
        return split(self.external_registries)

    def _all_names(self) -> list[str]:
        return [*super()._all_names(), *filter(None, [self.public_address])]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
