"""Registries that accept only some hundreds of layers, such as Amazon's."""

import json
from pathlib import Path

import pytest
from aiohttp import web

from ormb.client import OrmbClient
from ormb.errors import RegistryError
from support.scripted_registry import ScriptedRegistry
from support.small_models import many_files


@pytest.mark.parametrize("status", [400, 405, 413, 422])
async def test_a_refusal_names_the_number_of_layers_and_the_single_layer_layout(
    scripted: ScriptedRegistry, anns_client: OrmbClient, tmp_path: Path, status: int
) -> None:
    error = {"errors": [{"code": "UNSUPPORTED", "message": "Limit on number of layers exceeded"}]}

    def script(request: web.Request) -> web.Response | None:
        too_large = (
            request.method == "PUT" and "/manifests/" in request.path and int(request.headers["Content-Length"]) > 4096
        )
        return web.json_response(error, status=status) if too_large else None

    scripted.script = script
    model = many_files(tmp_path / "m", 150)
    says = (
        r"Limit on number of layers exceeded\. The model has 151 layers, .*: `--layout ormb` packs all files into one"
    )
    with pytest.raises(RegistryError, match=says):
        await anns_client.push_directory(model, scripted.reference)
    await anns_client.push_directory(model, scripted.reference, layout="ormb")
    assert len(json.loads(scripted.manifests["v1"][0])["layers"]) == 1
