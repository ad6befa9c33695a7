"""`pytest tests/unit/kleverkube --update-golden` rewrites the manifests after a deliberate change."""

from pathlib import Path

import pytest
import yaml

from kleverkube.backends import RENDERERS, ClusterBackend
from kleverkube.options import ClusterOptions
from kleverkube.version import ServedVersion
from support.served_versions import GOLDEN, served

DIRECTORY = Path(__file__).parents[2] / "data" / "manifests"
SERVINGS: dict[str, tuple[list[ServedVersion], ClusterOptions]] = {
    **{name: ([version], options) for name, (version, options) in GOLDEN.items()},
    "two-versions": ([served(replicas=2), served("ONNX", "triton", name="canary")], ClusterOptions()),
}
CASES = [(backend, name) for backend in RENDERERS for name in SERVINGS]


@pytest.mark.parametrize(("backend", "name"), CASES)
def test_manifests_are_the_golden_ones(backend: ClusterBackend, name: str, request: pytest.FixtureRequest) -> None:
    rendered = yaml.safe_dump_all(RENDERERS[backend](*SERVINGS[name]), sort_keys=False, width=120)
    golden = DIRECTORY / backend / f"{name}.yaml"
    if request.config.getoption("--update-golden"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()


def test_each_golden_file_is_rendered_by_a_case() -> None:
    assert {(path.parent.name, path.stem) for path in DIRECTORY.glob("*/*")} <= set(CASES)
