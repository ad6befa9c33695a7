"""docs/settings.md has every environment variable that the code reads."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from klever_deployer.settings import DeployerSettings
from klever_gateway.settings import GatewaySettings
from klever_jobrunner.settings import JobrunnerSettings
from klever_registry.settings import RegistrySettings
from kleverkit.settings import ServiceSettings
from ormb.adapters.proxies import VARIABLES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "settings.md"
READERS = {"os.environ.get", "os.getenv"}


def read_by(source: Path, constants: dict[str, str]) -> Iterator[str]:
    """Names in `os.environ["X"]`, `os.environ.get("X")`, `os.getenv("X")` and click's `envvar="X"`."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            named: list[ast.expr] = [node.slice] if isinstance(node.ctx, ast.Load) else []
        elif isinstance(node, ast.Call):
            named = [each.value for each in node.keywords if each.arg == "envvar"]
            named += node.args[:1] if ast.unparse(node.func) in READERS else []
        else:
            continue
        for each in named:
            if isinstance(each, ast.Name) and each.id in constants:
                yield constants[each.id]
            elif isinstance(each, ast.Constant):
                yield str(each.value)


def constants_of(source: Path) -> Iterator[tuple[str, str]]:
    """Constants of a module that are text."""
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield ast.unparse(node.targets[0]), node.value.value


def fields_of(settings: type[ServiceSettings]) -> Iterator[str]:
    """The fields that a settings class defines or inherits, besides those of all services, as suffixes of variables."""
    for each in settings.__mro__:
        if each not in ServiceSettings.__mro__:
            yield from (name.upper() for name in inspect.get_annotations(each) if name in settings.model_fields)


def sources() -> list[Path]:
    return [path for member in ("libs", "services") for path in (ROOT / member).glob("*/src/**/*.py")]


def test_every_variable_that_is_read_is_on_the_page() -> None:
    page = PAGE.read_text()
    constants = {name: value for path in sources() for name, value in constants_of(path)}
    names = {name for path in sources() for name in read_by(path, constants | dict(constants_of(path)))}
    assert {"KLEVER_HOME", "KLEVER_SERVER", "KLEVER_REGISTRY_ACCOUNTS", "ORMB_CA_FILE"} <= names
    assert sorted(name for name in names if f"| `{name}` |" not in page) == []


def test_every_variable_that_names_a_proxy_is_on_the_page() -> None:
    page = PAGE.read_text()
    named = {name.upper() for names in VARIABLES.values() for name in names} | {"NO_PROXY"}
    assert sorted(name for name in named if f"| `{name}` |" not in page) == []


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (RegistrySettings, {"PORT", "DATA_DIR"}),
        (JobrunnerSettings, {"WORKERS", "REGISTRY_ADDRESS", "KUBECONFIG", "CLUSTER_IMAGES"}),
        (DeployerSettings, {"BACKEND", "REGISTRY_ADDRESS", "KUBECONFIG", "CLUSTER_IMAGES"}),
        (GatewaySettings, {"KUBECONFIG"}),
    ],
)
def test_every_setting_of_a_service_is_on_the_page(settings: type[ServiceSettings], names: set[str]) -> None:
    page, prefix = PAGE.read_text(), settings.model_config.get("env_prefix")
    present = set(fields_of(settings))
    assert names <= present
    assert sorted(name for name in present if f"| `{prefix}{name}` |" not in page) == []
