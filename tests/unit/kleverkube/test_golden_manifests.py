"""`pytest tests/unit/kleverkube --update-golden` rewrites the manifests after a deliberate change."""

from pathlib import Path

import pytest
import yaml

from kleverkube.rendering import render
from support.served_versions import GOLDEN

DIRECTORY = Path(__file__).parents[2] / "data" / "manifests"


@pytest.mark.parametrize("name", GOLDEN)
def test_manifests_are_the_golden_ones(name: str, request: pytest.FixtureRequest) -> None:
    rendered = yaml.safe_dump_all(render(*GOLDEN[name]), sort_keys=False, width=120)
    golden = DIRECTORY / f"{name}.yaml"
    if request.config.getoption("--update-golden"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()


def test_each_golden_file_is_rendered_by_a_case() -> None:
    assert {path.stem for path in DIRECTORY.iterdir()} <= set(GOLDEN)
