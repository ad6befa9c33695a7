"""The local store, and exporting a model from it to a directory: all or nothing."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ormb.client import OrmbClient
from ormb.digest import digest_bytes
from ormb.errors import DamagedStoreError, DestinationError, DigestMismatchError, NotFoundError, UnsafePathError
from ormb.exporting import MARKER, planned_files, staged
from ormb.layout import LocalLayout
from ormb.packed import PackedModel
from ormb.packing import pack
from ormb.reading import parse_model_manifest
from ormb.reference import Reference
from support import oci_artifacts as oci
from support.small_models import adder

REFERENCE = Reference.parse("localhost:5000/library/adder:v1")
STABLE = Reference.parse("localhost:5000/library/adder:stable")


@pytest.fixture
def client(tmp_path: Path) -> OrmbClient:
    return OrmbClient(tmp_path / "ormb")


@pytest.fixture
def packed(tmp_path: Path, client: OrmbClient) -> PackedModel:
    """A stored model."""
    packed_model = pack(adder(tmp_path / "adder", 1))
    client.layout.save(packed_model, REFERENCE)
    return packed_model


def blobs(client: OrmbClient) -> set[str]:
    return {path.name for path in (client.root / "store" / "blobs" / "sha256").iterdir()}


def test_the_store_is_an_oci_image_layout(client: OrmbClient, packed: PackedModel) -> None:
    root = client.root / "store"
    assert json.loads((root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    [entry] = json.loads((root / "index.json").read_text())["manifests"]
    assert entry["digest"] == packed.digest
    assert packed.digest.removeprefix("sha256:") in blobs(client)
    assert not (client.root / "cache").exists()  # the Go ormb keeps another layout there


def test_a_second_name_is_the_same_model(client: OrmbClient, packed: PackedModel) -> None:
    client.layout.tag(REFERENCE, STABLE)
    assert client.stored(STABLE).digest == packed.digest
    assert [model.reference for model in client.models()] == [STABLE, REFERENCE]


@pytest.mark.usefixtures("packed")
def test_removing_keeps_blobs_of_other_names(client: OrmbClient) -> None:
    client.layout.tag(REFERENCE, STABLE)
    before = blobs(client)
    client.layout.remove(REFERENCE)
    assert blobs(client) == before
    client.layout.remove(STABLE)
    assert blobs(client) == set()
    with pytest.raises(NotFoundError):
        client.stored(STABLE)


def test_concurrent_operations_lose_nothing(client: OrmbClient, packed: PackedModel) -> None:
    names = [Reference("localhost:5000", "library/adder", f"v{number}") for number in range(30)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: LocalLayout(client.root / "store").add_manifest(name, packed.manifest), names))
    assert {model.reference for model in client.models()} == {REFERENCE, *names}


@pytest.mark.usefixtures("packed")
@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"manifests": [{}]}'])
def test_a_damaged_index_is_reported_with_advice(client: OrmbClient, text: str) -> None:
    (client.root / "store" / "index.json").write_text(text)
    with pytest.raises(DamagedStoreError, match="save or pull the models again"):
        client.models()


async def test_an_export_equals_the_original_directory(client: OrmbClient, packed: PackedModel, tmp_path: Path) -> None:
    await client.export(REFERENCE, tmp_path / "out")
    assert pack(tmp_path / "out").digest == packed.digest
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [MARKER, "model", "ormbfile.yaml"]


@pytest.mark.usefixtures("packed")
async def test_a_repeated_export_replaces_only_exported_files(client: OrmbClient, tmp_path: Path) -> None:
    out = tmp_path / "out"
    await client.export(REFERENCE, out)
    await client.save(adder(tmp_path / "second", 2), STABLE)
    await client.export(STABLE, out)
    assert (out / "model" / "model.onnx").read_bytes() == (tmp_path / "second/model/model.onnx").read_bytes()
    (tmp_path / "mine" / "model").mkdir(parents=True)
    with pytest.raises(DestinationError, match="exists already"):
        await client.export(REFERENCE, tmp_path / "mine")


async def test_a_damaged_blob_exports_nothing(client: OrmbClient, packed: PackedModel, tmp_path: Path) -> None:
    client.layout.blob_path(packed.layers[1].descriptor.digest).write_bytes(b"damaged")
    with pytest.raises(DigestMismatchError, match="is damaged in the local store"):
        await client.export(REFERENCE, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.usefixtures("packed")
async def test_an_existing_file_is_not_overwritten(client: OrmbClient, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(DestinationError, match="is a file"):
        await client.export(REFERENCE, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_file_created_during_an_export_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match="exists already"), staged(tmp_path, "sha256:1") as stage:  # noqa: PT012
        (stage / "model").mkdir()
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "notes.txt").write_text("mine")
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["../escape", "/etc/cron.d/x", "model/../../escape", "a\\..\\b", "a\0b"])
def test_a_hostile_file_name_is_refused(name: str) -> None:
    document = json.loads(oci.model().manifest)
    document["layers"][0]["annotations"]["org.cncf.model.filepath"] = name
    manifest = parse_model_manifest(json.dumps(document).encode())
    assert manifest is not None
    with pytest.raises(UnsafePathError, match="outside the destination"):
        planned_files(manifest)


def test_two_layers_with_one_name_are_refused() -> None:
    document = json.loads(oci.model().manifest)
    document["layers"] *= 2
    manifest = parse_model_manifest(json.dumps(document).encode())
    assert manifest is not None
    with pytest.raises(UnsafePathError, match="two layers"):
        planned_files(manifest)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", oci.image().manifest, oci.index(oci.model()).manifest])
def test_an_artifact_that_is_not_a_model_is_not_treated_as_one(text: bytes) -> None:
    assert parse_model_manifest(text) is None


def test_an_unreadable_model_does_not_hide_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    layout = LocalLayout(tmp_path / "cache")
    broken, whole = (Reference("localhost:5000", "library/adder", tag) for tag in ("broken", "whole"))
    for number, reference in enumerate((broken, whole)):
        layout.save(pack(adder(tmp_path / str(number), number)), reference)
    layout.blob_path(digest_bytes(layout.manifest_bytes(broken))).unlink()
    caplog.set_level("WARNING", logger="ormb")
    assert [model.reference for model in layout.models()] == [whole]
    assert [str(broken) in message for message in caplog.messages] == [True]
