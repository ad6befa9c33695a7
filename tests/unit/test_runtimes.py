"""Only the table of runtimes maps formats to servers."""

import ast
from pathlib import Path
from typing import get_args

import pytest

from kleverproto.variants import RuntimeName
from kleverserve.app import ADAPTERS
from kleverserve.mlserver.artifacts import IMPLEMENTATIONS
from modelconversion.toolchains.recipes import recipe_names
from modelfiles.runtimes import BUILT_IN, RUNTIMES, DirectoryLayout, Support, supports, usual_layout
from modelformats import KNOWN_FORMATS

ROOT = Path(__file__).parents[2]
SOURCES = [path for member in ("libs", "services") for path in (ROOT / member).glob("*/src/**/*.py")]
TABLE = ROOT / "libs" / "modelfiles" / "src" / "modelfiles" / "runtimes.py"
SERVER = ROOT / "libs" / "kleverserve" / "src"
ROWS = [(runtime, name, support) for runtime in RUNTIMES.values() for name, support in runtime.formats.items()]
SEVERAL = 2


def texts(source: Path) -> set[str]:
    """The string literals of a module."""
    nodes = ast.walk(ast.parse(source.read_text()))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_no_other_module_maps_formats_to_runtimes() -> None:
    def maps(source: Path) -> bool:
        literals = texts(source)
        return bool(literals & RUNTIMES.keys()) and len(literals & set(KNOWN_FORMATS)) >= SEVERAL

    assert [source for source in SOURCES if maps(source)] == [TABLE]


def test_a_serving_may_name_every_runtime() -> None:
    assert get_args(RuntimeName) == tuple(RUNTIMES)


@pytest.mark.parametrize(("name", "support"), [(name, support) for _, name, support in ROWS])
def test_every_row_names_a_known_format_and_a_place_to_run(name: str, support: Support) -> None:
    assert name in KNOWN_FORMATS
    assert support.environment or support.image
    assert support.environment in {None, BUILT_IN, *recipe_names()}


def test_the_launchers_serve_the_formats_of_the_table() -> None:
    assert tuple(ADAPTERS) == RUNTIMES["kleverserve"].served_here
    assert set(RUNTIMES["triton"].served_here) < set(ADAPTERS)
    assert set(IMPLEMENTATIONS) == {"MLflow", "SKLearn", "XGBoost", "LightGBM", "CatBoost"}


@pytest.mark.parametrize("path", [*ADAPTERS.values(), *(name.rpartition(".")[0] for name in IMPLEMENTATIONS.values())])
def test_every_format_served_here_has_a_module(path: str) -> None:
    assert (SERVER / path.replace(".", "/")).with_suffix(".py").is_file()


def test_mlserver_serves_the_same_formats_here_and_on_a_cluster() -> None:
    assert supports(DirectoryLayout.MLSERVER).keys() == set(RUNTIMES["mlserver"].served_here)


def test_images_with_their_own_layout_never_share_runs_of_graphs() -> None:
    """The initializer cannot run a model, and its file does not show whether its rows are independent."""
    assert {support.batch_rows for support in supports(DirectoryLayout.TRITON).values()} == {1}


@pytest.mark.parametrize("name", ["SKLearn", "XGBoost", "LightGBM", "CatBoost"])
def test_requests_for_a_tabular_model_may_share_runs(name: str) -> None:
    rows = {runtime: RUNTIMES[runtime].formats[name].batch_rows for runtime in ("kleverserve", "triton", "mlserver")}
    assert rows == {"kleverserve": 64, "triton": 65_536, "mlserver": 1}


def test_a_format_without_an_image_is_laid_out_unchanged() -> None:
    assert (usual_layout("TFLite"), usual_layout(None)) == (DirectoryLayout.PLAIN, DirectoryLayout.PLAIN)
