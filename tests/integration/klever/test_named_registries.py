"""`klever` accepts the names that `ormb push` prints, and does not confuse the models of two registries."""

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


def invoke(gateway: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--server", gateway])


def get(gateway: str, reference: str) -> Result:
    return invoke(gateway, "models", "get", reference)


@pytest.mark.parametrize("registry", ["", "localhost:5000/", "127.0.0.1:5000/"])
def test_a_model_is_found_by_the_name_that_ormb_printed(gateway: str, registry: str) -> None:
    result = get(gateway, f"{registry}library/iris:v1")
    assert result.exit_code == 0, result.output
    assert "model:       library/iris:v1" in result.output


@pytest.mark.parametrize(
    "registry", ["localhost:5001", "localhost", "registry.example.com:443", "registry.example.com"]
)
def test_a_model_of_the_same_name_in_another_registry_is_another_model(gateway: str, registry: str) -> None:
    result = get(gateway, f"{registry}/library/iris:v1")
    assert result.exit_code == 1
    assert f"is in the registry 127.0.0.1:5000, not in {registry}" in result.stderr


@pytest.mark.parametrize("registry", ["localhost:5001", "registry.example.com"])
def test_a_model_of_another_registry_is_not_deleted_here(gateway: str, registry: str) -> None:
    result = invoke(gateway, "models", "delete", f"{registry}/library/iris:v1", "--yes")
    assert result.exit_code == 1
    assert f"is in the registry 127.0.0.1:5000, not in {registry}" in result.stderr


@pytest.mark.parametrize("name", ["registry.example.com/library/iris", "localhost/iris", "localhost:5000/library/iris"])
def test_a_name_with_a_registry_does_not_delete_all_versions_of_a_model(gateway: str, name: str) -> None:
    result = invoke(gateway, "models", "delete", name, "--yes")
    assert result.exit_code == 2
    assert f"{name} contains a registry: write PROJECT/MODEL" in result.stderr


def test_a_model_in_another_registry_is_not_named_by_its_digest(gateway: str) -> None:
    result = get(gateway, f"localhost:5000/library/iris@sha256:{'ab' * 32}")
    assert result.exit_code == 2
    assert "write a version, host/project/model:version" in result.stderr
