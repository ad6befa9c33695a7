"""Samples as users write them, and their transport."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from klever.errors import InputError
from klever.samples import read_samples, with_samples
from kleverproto.conversions import SAMPLES_TYPE, Conversion
from ormb.client import OrmbClient
from ormb.reference import Reference
from support.gateway import version_document

DIGEST = f"sha256:{'c' * 64}"
MODEL = version_document().spec
V2 = {
    "inputs": [
        {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.5, None]},
        {"name": "word", "shape": [1], "datatype": "BYTES", "data": ["a"]},
    ]
}


class Registry(OrmbClient):
    """Records attachments."""

    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}
        self.about: Reference | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        pass

    async def attach(
        self, reference: Reference, files: Sequence[Path], artifact_type: str, annotations: Mapping[str, str]
    ) -> str:
        assert (artifact_type, annotations) == (SAMPLES_TYPE, {})
        self.about = reference
        with np.load(files[0], allow_pickle=False) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files}
        return DIGEST


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    np.save(tmp_path / "x.npy", np.array([[1.5]]))
    np.savez(tmp_path / "all.npz", x=np.array([1]), y=np.array(2.5))
    (tmp_path / "all.json").write_text(json.dumps({"x": [1], "y": 2.5}))
    (tmp_path / "request.json").write_text(json.dumps(V2))
    (tmp_path / "rows.json").write_text("[[1, 2]]")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plain(samples: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in samples.items()}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["x=3", 'word="a"', "rows=[[1, 2]]"], {"x": 3, "word": "a", "rows": [[1, 2]]}),
        (["x=@x.npy"], {"x": [[1.5]]}),
        (["x=@rows.json"], {"x": [[1, 2]]}),
        (["@all.npz"], {"x": [1], "y": 2.5}),
        (["@all.json", "z=0"], {"x": [1], "y": 2.5, "z": 0}),
        (['{"x": [1], "y": 2.5}'], {"x": [1], "y": 2.5}),
    ],
)
def test_samples_are_read_from_every_form(texts: list[str], wanted: dict[str, Any]) -> None:
    assert plain(read_samples(texts)) == wanted


@pytest.mark.usefixtures("files")
def test_the_inputs_of_a_v2_request_are_samples_of_their_types() -> None:
    samples = read_samples(["@request.json"])
    assert (samples["x"].dtype, samples["x"].shape) == ("float32", (1, 2))
    assert np.isnan(samples["x"][0, 1])
    assert samples["word"].tolist() == ["a"]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["rows"], "is not a sample: write --sample"),
        (["@x.npy"], "does not name its input"),
        (["x=@all.npz"], "write the file without a name"),
        (["x=1", "x=2"], "two samples for x"),
        (["x=[1"], "are not JSON"),
        (["x=@none.npy"], "cannot be read"),
        (['{"inputs": [{"name": "x"}]}'], "V2 request have no"),
    ],
)
def test_an_invalid_sample_is_explained(texts: list[str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_samples(texts)


async def test_small_samples_are_part_of_the_request() -> None:
    wanted = await with_samples(Conversion(to="ONNX"), {"x": np.array([[1.5]]), "n": 3}, MODEL, Registry())
    assert (wanted.samples, wanted.samples_digest) == ({"x": [[1.5]], "n": 3}, None)


@pytest.mark.parametrize(
    "samples",
    [
        {"x": np.zeros((1000, 300), np.float32)},
        {"x": [[0.0] * 300] * 1000},
        {"x": np.array([np.nan])},
        {"x": [float("inf")]},
    ],
    ids=["large array", "large list", "NaN", "infinity"],
)
async def test_large_samples_and_those_that_json_cannot_hold_are_attached_to_the_model(samples: dict[str, Any]) -> None:
    registry = Registry()
    wanted = await with_samples(Conversion(to="ONNX", ref=None), samples, MODEL, registry)
    assert (wanted.samples, wanted.samples_digest) == ({}, DIGEST)
    assert registry.about == Reference(MODEL.registry, MODEL.ref.repository, digest=MODEL.digest)
    assert np.array_equal(registry.arrays["x"], np.asarray(samples["x"]), equal_nan=True)


async def test_null_in_large_samples_is_a_missing_number_and_ragged_rows_are_refused() -> None:
    registry = Registry()
    await with_samples(Conversion(to="ONNX"), {"x": [1.0, None] * 50_000}, MODEL, registry)
    assert np.isnan(registry.arrays["x"][1])
    with pytest.raises(InputError, match="input x is not an array"):
        await with_samples(Conversion(to="ONNX"), {"x": [[1.0], [1.0, 2.0]] * 50_000}, MODEL, registry)
