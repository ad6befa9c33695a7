"""Models of a registry at a URL are verified while they are saved, and interrupted downloads resume."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

import pytest

from klever.backup.errors import BackupError
from klever.backup.pulling import Version, save_models_from
from klever.backup.writing import Archive
from kleverproto.references import ModelRef
from ormb.errors import NotFoundError, RegistryUnavailableError
from ormb.reference import Reference
from support.backup_files import CONFIG, MANIFEST, MANIFEST_TYPE, WEIGHTS, blob_name, descriptor

if TYPE_CHECKING:
    from ormb.ports import Registry


@dataclass
class Stored:
    """A registry that sends what it has, in pieces of three bytes, and interrupts the first downloads."""

    content: dict[str, bytes] = field(default_factory=lambda: dict((CONFIG, WEIGHTS, MANIFEST)))
    referrers: list[dict[str, Any]] = field(default_factory=list)
    interruptions: int = 0
    starts: list[int] = field(default_factory=list)

    async def get_manifest(self, reference: Reference) -> tuple[bytes, str]:
        if reference.name not in self.content:
            raise NotFoundError(f"{reference} does not exist")
        return self.content[reference.name], MANIFEST_TYPE

    async def get_referrers(self, _reference: Reference, _digest: str) -> list[dict[str, Any]]:
        return self.referrers

    async def get_blob(self, _reference: Reference, digest: str, *, start: int = 0) -> AsyncIterator[bytes]:
        self.starts.append(start)
        yield self.content[digest][start : start + 3]
        if self.interruptions:
            self.interruptions -= 1
            raise RegistryUnavailableError("the connection was lost")
        yield self.content[digest][start + 3 :]


async def saved(registry: Stored, digest: str = MANIFEST[0]) -> Archive:
    archive = Archive(BytesIO())
    version = Version(ModelRef.parse("library/iris:v1"), digest)
    await save_models_from(cast("Registry", registry), "registry.example.com", [version], archive)
    return archive


async def test_an_interrupted_download_resumes() -> None:
    registry = Stored(interruptions=2)
    archive = await saved(registry)
    assert all(archive.has(blob_name(digest)) for digest in registry.content)
    assert 3 in registry.starts


def sha512(content: bytes) -> tuple[str, bytes]:
    return f"sha512:{hashlib.sha512(content).hexdigest()}", content


LONG_WEIGHTS = sha512(b"weights")
LONG_MANIFEST = sha512(
    json.dumps(json.loads(MANIFEST[1]) | {"layers": [descriptor(*LONG_WEIGHTS)]}).encode(),
)


async def test_digests_of_each_algorithm_are_verified() -> None:
    registry = Stored(dict((CONFIG, LONG_WEIGHTS, LONG_MANIFEST)))
    archive = await saved(registry, LONG_MANIFEST[0])
    assert archive.has(blob_name(LONG_WEIGHTS[0]))
    registry.content[LONG_WEIGHTS[0]] = b"weightz"
    with pytest.raises(BackupError, match="the blob is damaged"):
        await saved(registry, LONG_MANIFEST[0])
    registry.content[LONG_MANIFEST[0]] += b" "
    with pytest.raises(BackupError, match=r"the manifest sha512:.* is damaged"):
        await saved(registry, LONG_MANIFEST[0])


@pytest.mark.parametrize("size", [0, 1000])
async def test_a_blob_of_another_size_is_reported(size: int) -> None:
    manifest = json.dumps(
        json.loads(MANIFEST[1]) | {"layers": [descriptor(*WEIGHTS) | {"size": size}]},
    ).encode()
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    with pytest.raises(BackupError, match="the blob is damaged"):
        await saved(Stored(dict((CONFIG, WEIGHTS, (digest, manifest)))), digest)


@pytest.mark.parametrize("listed", [{}, {"digest": "../../other/manifests/v1"}, {"digest": None}])
async def test_an_invalid_list_of_referrers_is_reported(listed: dict[str, Any]) -> None:
    with pytest.raises(BackupError, match=r"the referrers of sha256:.* in library/iris cannot be read"):
        await saved(Stored(referrers=[listed]))


async def test_a_referrer_that_was_deleted_is_left_out() -> None:
    archive = await saved(Stored(referrers=[{"digest": f"sha256:{'0' * 64}"}]))
    assert archive.has(blob_name(MANIFEST[0]))
    assert not archive.has(blob_name(f"sha256:{'0' * 64}"))
