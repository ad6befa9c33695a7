"""A model that no runtime serves is converted before it is served, on a laptop and on a cluster."""

import json
from pathlib import Path

import pytest

from support import caffe_models
from support.places.place import Place
from support.toolchains import toolchain_python, toolchain_store

pytestmark = pytest.mark.timeout(900)  # the first run installs a toolchain

FLOAT = 1


@pytest.fixture(scope="session")
def toolchain() -> None:
    """The toolchain of the conversion is installed."""
    toolchain_python(toolchain_store(), "onnx")


def net(directory: Path) -> Path:
    """A net of Caffe2."""
    model = directory / "model"
    model.mkdir(parents=True)
    (model / "init_net.pb").write_bytes(caffe_models.init_net())
    (model / "predict_net.pb").write_bytes(caffe_models.predict_net())
    (model / "value_info.json").write_text(json.dumps({"data": [FLOAT, [1, 4]]}))
    return directory


@pytest.mark.usefixtures("toolchain")
async def test_net_of_caffe2_is_converted_and_served(place: Place, tmp_path: Path) -> None:
    name = place.new_name()
    await place.push(net(tmp_path / "net"), f"library/{name}:v1")
    await place.klever("deploy", f"library/{name}:v1", f"--name {name}")
    [variant] = (await place.serving(name)).status.variants
    assert variant.made.startswith(f"library/{name}:")
    body = {"inputs": [{"name": "data", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}
    async with place.requests(name) as requests, requests.session.post(requests.url, json=body) as response:
        [output] = (await response.json(content_type=None))["outputs"]
        assert len(output["data"]) == 3
        assert sum(output["data"]) == pytest.approx(1)
    await place.undeploy(name)
