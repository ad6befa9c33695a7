"""`klever` takes what `ormb push` has just printed, and does not take one registry's model for another's."""

from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from klever.cli.__main__ import cli
from support.stub_gateway import stub_gateway

MODEL = {
    "generation": 1,
    "createdAt": "2026-01-02T03:04:05Z",
    "updatedAt": "2026-01-02T03:04:05Z",
    "spec": {
        "ref": {"project": "library", "model": "iris", "version": "v1"},
        "digest": f"sha256:{'ab' * 32}",
        "registry": "127.0.0.1:5000",
        "artifactType": "application/vnd.cncf.model.manifest.v1+json",
        "size": 7,
    },
    "status": {"extraction": "Succeeded"},
}


@pytest.fixture
def gateway() -> Iterator[str]:
    with stub_gateway({"/projects/library/models/iris/versions/v1": MODEL}) as url:
        yield url


def get(gateway: str, reference: str) -> Result:
    return CliRunner().invoke(cli, ["models", "get", reference, "--server", gateway])


@pytest.mark.parametrize("registry", ["", "localhost:5000/", "127.0.0.1:5000/"])
def test_a_model_is_found_by_what_ormb_has_printed(gateway: str, registry: str) -> None:
    result = get(gateway, f"{registry}library/iris:v1")
    assert result.exit_code == 0, result.output
    assert "model:       library/iris:v1" in result.output


@pytest.mark.parametrize("registry", ["localhost:5001", "registry.example.com:443"])
def test_a_model_of_that_name_in_another_registry_is_another_model(gateway: str, registry: str) -> None:
    result = get(gateway, f"{registry}/library/iris:v1")
    assert result.exit_code == 1
    assert f"lies in 127.0.0.1:5000, not in {registry}" in result.stderr
