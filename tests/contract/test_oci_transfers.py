"""Interrupted transfers resume, in the same process or the next one."""

import asyncio
from pathlib import Path

import pytest

from ormb.adapters.sessions import UploadSession, UploadSessions
from ormb.client import OrmbClient
from ormb.packing import pack
from ormb.ports import Silent
from ormb.reference import Reference

MIB = 1024 * 1024
SIZE = 8 * MIB


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with one file of eight mebibytes."""
    (tmp_path / "m" / "model").mkdir(parents=True)
    (tmp_path / "m" / "ormbfile.yaml").write_text("format: Others\n")
    (tmp_path / "m" / "model" / "weights.bin").write_bytes(bytes(range(256)) * (SIZE // 256))
    return tmp_path / "m"


class Breaking(Silent):
    """Counts bytes and interrupts the transfer after this many, as if the process was killed."""

    def __init__(self, after: int | None = None) -> None:
        self._after = after
        self.moved: list[int] = []

    def advanced(self, count: int) -> None:
        self.moved.append(count)
        if self._after is not None and count > 0 and sum(self.moved) >= self._after:
            raise asyncio.CancelledError


def client(tmp_path: Path) -> OrmbClient:
    return OrmbClient(tmp_path / "ormb", chunk_bytes=MIB)


def reference(oci_host: str, repository: str = "library/m") -> Reference:
    return Reference(oci_host, repository, "v1")


async def test_a_killed_push_resumes_in_the_next_process(oci_host: str, model: Path, tmp_path: Path) -> None:
    async with client(tmp_path) as first:
        with pytest.raises(asyncio.CancelledError):
            await first.push_directory(model, reference(oci_host), Breaking(after=5 * MIB))
    second = Breaking()
    async with client(tmp_path) as later:
        pushed = await later.push_directory(model, reference(oci_host), second)
    taken_up = max(second.moved)
    assert taken_up >= 4 * MIB, "the first step is what the registry has already"
    async with client(tmp_path / "other") as other:
        await other.pull_and_export(reference(oci_host), tmp_path / "copy")
    assert pack(tmp_path / "copy").digest == pushed.digest
    assert list((tmp_path / "ormb" / "uploads").iterdir()) == []


async def test_a_push_restarts_if_the_registry_has_lost_the_upload(oci_host: str, model: Path, tmp_path: Path) -> None:
    weights = pack(model).layers[1].descriptor.digest
    sessions = UploadSessions(tmp_path / "ormb" / "uploads")
    gone = f"http://{oci_host}/v2/library/m/blobs/uploads/7f0e8b64-0000-4000-8000-000000000000"
    sessions.remember(reference(oci_host), weights, UploadSession(gone, 3 * MIB))
    async with client(tmp_path) as opened:
        pushed = await opened.push_directory(model, reference(oci_host))
        assert (await opened.inspect(reference(oci_host))).digest == pushed.digest
    assert sessions.find(reference(oci_host), weights) is None


@pytest.mark.parametrize("into", ["store", "directory"])
async def test_an_interrupted_pull_fetches_only_the_rest(oci_host: str, model: Path, tmp_path: Path, into: str) -> None:
    async def pull(opened: OrmbClient, watcher: Breaking) -> str:
        if into == "store":
            return (await opened.pull(reference(oci_host), watcher)).digest
        return (await opened.pull_and_export(reference(oci_host), tmp_path / "copy", watcher)).digest

    async with client(tmp_path) as opened:
        pushed = await opened.push_directory(model, reference(oci_host))
        with pytest.raises(asyncio.CancelledError):
            await pull(opened, Breaking(after=5 * MIB))
    second = Breaking()
    async with client(tmp_path) as later:
        assert await pull(later, second) == pushed.digest
        if into == "store":
            await later.export(reference(oci_host), tmp_path / "copy")
    assert pack(tmp_path / "copy").digest == pushed.digest
    assert not [path for path in (tmp_path / "copy").iterdir() if path.name.startswith(".ormb-") and path.is_dir()]


async def test_a_damaged_partial_download_is_discarded(oci_host: str, model: Path, tmp_path: Path) -> None:
    async with client(tmp_path) as opened:
        pushed = await opened.push_directory(model, reference(oci_host))
        partial = opened.layout.staging() / "partial"
        partial.mkdir()
        weights = pack(model).layers[1].descriptor.digest.removeprefix("sha256:")
        (partial / f"{weights}.part").write_bytes(b"x" * MIB)
        await opened.pull(reference(oci_host))
        assert opened.stored(reference(oci_host)).digest == pushed.digest


async def test_blobs_of_another_repository_are_not_sent(oci_host: str, model: Path, tmp_path: Path) -> None:
    async with client(tmp_path) as opened:
        await opened.save(model, reference(oci_host))
        await opened.push(reference(oci_host))
        opened.layout.tag(reference(oci_host), reference(oci_host, "library/copy"))
        steps = Breaking()
        await opened.push(reference(oci_host, "library/copy"), steps)
        assert (await opened.inspect(reference(oci_host, "library/copy"))).digest == pack(model).digest
    assert SIZE in steps.moved, "one step for the whole file: it was mounted"
