"""A command does not remove blobs that another one stores, and a full disk loses nothing."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ormb.client import OrmbClient
from ormb.errors import DamagedStoreError, NoSpaceError, StoreInUseError
from ormb.layout import LocalLayout
from ormb.packing import pack
from ormb.reference import Reference
from plugins.fix_disks import SmallDisk, fill
from support.small_models import adder

ONE = Reference.parse("localhost:5000/library/one:v1")
TWO = Reference.parse("localhost:5000/library/two:v1")


class Slow:
    """A save that has stored its first layer and waits for the second one, which is read from a pipe."""

    def __init__(self, store: Path, directory: Path) -> None:
        packed = pack(_two_files(directory))
        self._content = Path(str(packed.layers[1].source)).read_bytes()
        self._pipe = directory / "pipe"
        os.mkfifo(self._pipe)
        layers = (packed.layers[0], replace(packed.layers[1], source=self._pipe), *packed.layers[2:])
        self.packed = replace(packed, layers=layers)
        self._store = LocalLayout(store)

    @contextmanager
    def running(self) -> Iterator["Future[None]"]:
        """Run the save for the block. It completes at the end of the block."""
        with ThreadPoolExecutor(1) as pool:
            saving = pool.submit(self._store.save, self.packed, TWO)
            with self._pipe.open("wb") as pipe:  # waits until the save reads
                yield saving
                pipe.write(self._content)

    def missing(self) -> list[str]:
        """Return the missing blobs of the saved model."""
        parts = [content.descriptor.digest for content in (*self.packed.layers, self.packed.config)]
        return [digest for digest in parts if not self._store.has_blob(digest)]


def _two_files(directory: Path) -> Path:
    adder(directory, 2)
    (directory / "ormbfile.yaml").write_text("format: ONNX\nauthor: Ada\n")
    (directory / "model" / "labels.txt").write_text("yes\nno\n")
    return directory


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with one model."""
    LocalLayout(tmp_path / "store").save(pack(adder(tmp_path / "one", 1)), ONE)
    return tmp_path / "store"


def blobs(store: Path) -> set[str]:
    return {path.name for path in (store / "blobs" / "sha256").iterdir()}


def test_removing_a_model_keeps_blobs_of_a_save_in_progress_and_collects_them_later(
    store: Path, tmp_path: Path
) -> None:
    slow = Slow(store, tmp_path / "two")
    with slow.running():
        LocalLayout(store).remove(ONE)
    assert slow.missing() == []
    LocalLayout(store).prune()
    assert [model.reference for model in LocalLayout(store).models()] == [TWO]
    assert len(blobs(store)) == len({part.descriptor.digest for part in slow.packed.layers}) + 2  # config, manifest


def test_pruning_during_a_save_is_reported_and_removes_nothing(store: Path, tmp_path: Path) -> None:
    slow = Slow(store, tmp_path / "two")
    with slow.running() as saving, pytest.raises(StoreInUseError, match="run `ormb prune` again"):
        LocalLayout(store).prune()
    saving.result()
    assert slow.missing() == []


def test_a_model_gets_no_name_while_one_of_its_blobs_is_missing(store: Path, tmp_path: Path) -> None:
    packed = pack(adder(tmp_path / "two", 2))
    layout = LocalLayout(store)
    layout.save(packed, TWO)
    layout.blob_path(packed.layers[0].descriptor.digest).unlink()
    with pytest.raises(DamagedStoreError, match="try again"):
        layout.add_manifest(Reference.parse("localhost:5000/library/three:v1"), packed.manifest)
    assert len(layout.models()) == 2


def test_two_concurrent_saves_both_succeed(store: Path, tmp_path: Path) -> None:
    slow = Slow(store, tmp_path / "two")
    with slow.running():
        LocalLayout(store).save(pack(adder(tmp_path / "three", 3)), ONE)
    assert slow.missing() == []
    assert [model.reference for model in LocalLayout(store).models()] == [ONE, TWO]


def test_the_remains_of_a_killed_save_are_collected_by_the_next_prune(store: Path) -> None:
    before = blobs(store)
    code = (
        "import os, sys; from pathlib import Path; from ormb.layout import LocalLayout\n"
        "store = LocalLayout(Path(sys.argv[1]))\n"
        "with store.in_use():\n"
        "    store.blob_path('sha256:' + 'ab' * 32).write_bytes(b'left')\n"
        "    (store.staging() / 'tmp').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(store)], check=False).returncode == -9
    assert LocalLayout(store).prune() == len(b"left") + len(b"half")
    assert blobs(store) == before


def test_a_model_without_its_manifest_keeps_every_blob(store: Path, tmp_path: Path) -> None:
    layout = LocalLayout(store)
    layout.save(pack(adder(tmp_path / "two", 2)), TWO)
    [damaged, whole] = [layout.manifest(reference).digest for reference in (ONE, TWO)]
    layout.blob_path(damaged).unlink()
    before = blobs(store)
    for collect in (layout.prune, lambda: layout.remove(TWO)):
        with pytest.raises(DamagedStoreError, match="no blob was removed"):
            collect()
    assert blobs(store) == before
    assert layout.manifest(TWO).digest == whole


def test_a_full_disk_is_reported_and_keeps_stored_blobs(small_disk: SmallDisk, tmp_path: Path) -> None:
    client = OrmbClient(small_disk(256 * 1024))
    client.layout.save(pack(adder(tmp_path / "one", 1)), ONE)
    large = adder(tmp_path / "large", 2)
    (large / "model" / "weights.bin").write_bytes(os.urandom(512 * 1024))
    with pytest.raises(NoSpaceError, match="the disk is full") as caught:
        client.layout.save(pack(large), TWO)
    assert "ormb prune" in str(caught.value)
    assert [model.reference for model in client.models()] == [ONE]
    client.layout.prune()
    assert list((client.root / "store" / "ingest").iterdir()) == []
    client.layout.save(pack(adder(tmp_path / "two", 2)), TWO)
    assert [model.reference for model in client.models()] == [ONE, TWO]


def test_an_index_that_does_not_fit_keeps_the_old_one(small_disk: SmallDisk, tmp_path: Path) -> None:
    root = small_disk(128 * 1024)
    layout = LocalLayout(root / "store")
    layout.save(pack(adder(tmp_path / "one", 1)), ONE)
    fill(root)
    with pytest.raises(NoSpaceError):
        layout.tag(ONE, TWO)
    assert [model.reference for model in layout.models()] == [ONE]
    assert not (root / "store" / "index.json.new").exists()


def test_an_unwritable_lock_locks_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    entered = threading.Event()
    with LocalLayout(tmp_path / "file").in_use():
        entered.set()
    assert entered.is_set()
