"""Places of the scenarios, and models that they serve; each is pushed once."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from support.places.custom_server import custom_server
from support.places.place import Place
from support.small_models import adder

Push = Callable[[Callable[[Path], Path], str], Awaitable[None]]


BACKENDS = ("cluster", "kserve", "seldon")
"""Places of scenarios with the marker `every_backend`, if the others run on a cluster."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the places of each scenario."""
    if "place" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--place")
        is_everywhere = metafunc.definition.get_closest_marker("every_backend") is not None
        places = BACKENDS if chosen == "cluster" and is_everywhere else (chosen,)
        metafunc.parametrize("place", places, indirect=True, scope="session")


@pytest.fixture(scope="session")
def pushed() -> set[tuple[Path, str]]:
    """Homes of platforms, each with a reference of a model that was pushed there."""
    return set()


@pytest.fixture
def push_once(place: Place, pushed: set[tuple[Path, str]], tmp_path: Path) -> Push:
    """Pushes a model, which a function makes in a directory, unless it was pushed before."""

    async def push(make: Callable[[Path], Path], ref: str) -> None:
        if (model := (place.platform.home, ref)) not in pushed:
            await place.push(make(tmp_path / f"model-{len(pushed)}"), ref)
            pushed.add(model)

    return push


@pytest.fixture
async def adders(push_once: Push) -> str:
    """A model in the versions v1 and v2, which add 1 and 2; returns `project/model`."""
    await push_once(lambda directory: adder(directory, 1), "library/adder:v1")
    await push_once(lambda directory: adder(directory, 2), "library/adder:v2")
    return "library/adder"


@pytest.fixture
async def own_server(push_once: Push) -> str:
    """A model that brings its own server; returns its reference."""
    await push_once(custom_server, "library/own:v1")
    return "library/own:v1"
