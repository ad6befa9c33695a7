"""`pytest tests/unit/kleverkube --update-golden` rewrites the manifests after a deliberate change."""

from pathlib import Path

import pytest
import yaml

from kleverkube.kserve.rendering import render_for_kserve
from kleverkube.rendering import render
from support.served_versions import GOLDEN

DIRECTORY = Path(__file__).parents[2] / "data" / "manifests"
RENDERED = {"plain": render, "kserve": render_for_kserve}
"""Backend to how it renders a version; each has a directory of its own, except `plain`."""


def path_of(backend: str, name: str) -> Path:
    return (DIRECTORY if backend == "plain" else DIRECTORY / backend) / f"{name}.yaml"


@pytest.mark.parametrize("backend", RENDERED)
@pytest.mark.parametrize("name", GOLDEN)
def test_manifests_are_the_golden_ones(name: str, backend: str, request: pytest.FixtureRequest) -> None:
    rendered = yaml.safe_dump_all(RENDERED[backend](*GOLDEN[name]), sort_keys=False, width=120)
    golden = path_of(backend, name)
    if request.config.getoption("--update-golden"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()


def test_each_golden_file_is_rendered_by_a_case() -> None:
    rendered = {path_of(backend, name) for backend in RENDERED for name in GOLDEN}
    assert set(DIRECTORY.rglob("*.yaml")) == rendered
