"""Environments of converters, created by the real uv from recipes that need no download."""

import asyncio
import tomllib
from pathlib import Path

import psutil
import pytest

from klever_deployer.adapters.local.launcher import SERVER_PACKAGES
from modelconversion.errors import ConversionError
from modelconversion.pairs import PAIRS
from modelconversion.toolchains.recipes import RECIPES, read_recipe, recipe_names
from modelconversion.toolchains.store import ToolchainStore
from modelformats.versions import LOADERS
from plugins.fix_disks import SmallDisk, remount
from support.waiting import eventually

ROOT = Path(__file__).parents[3]
LOCK = ROOT / "uv.lock"


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    directory = tmp_path / "recipes"
    directory.mkdir()
    (directory / "tiny.txt").write_text("# python: 3.11\n# imports: json\n")
    return directory


@pytest.fixture
def store(tmp_path: Path, recipes: Path) -> ToolchainStore:
    return ToolchainStore(tmp_path / "toolchains", recipes=recipes)


async def test_a_toolchain_is_installed_once_and_reused(store: ToolchainStore, tmp_path: Path, recipes: Path) -> None:
    lines: list[str] = []
    python = await store.ensure("tiny", lines.append)
    assert python.is_file()
    assert lines[0] == "installing toolchain tiny"
    assert lines[-1] == "toolchain tiny is ready"
    again: list[str] = []
    assert await ToolchainStore(tmp_path / "toolchains", recipes=recipes).ensure("tiny", again.append) == python
    assert again == []


async def test_toolchain_of_a_read_only_image_is_used(small_disk: SmallDisk, recipes: Path) -> None:
    root = small_disk(64 * 1024 * 1024)
    python = await ToolchainStore(root, recipes=recipes).ensure("tiny", print)
    await remount(root, "ro")
    assert await ToolchainStore(root, recipes=recipes).ensure("tiny", print) == python


async def test_a_second_installation_waits_for_the_first(store: ToolchainStore) -> None:
    lines: list[str] = []
    first, second = await asyncio.gather(store.ensure("tiny", lines.append), store.ensure("tiny", lines.append))
    assert first == second
    assert lines.count("installing toolchain tiny") == 1
    assert "waiting for another process that is installing toolchain tiny" in lines


async def test_the_child_processes_of_a_cancelled_installation_end_with_it(tmp_path: Path, recipes: Path) -> None:
    uv, pid = tmp_path / "uv", tmp_path / "pid"
    uv.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {pid}.part; mv {pid}.part {pid}\nwait\n")
    uv.chmod(0o755)
    store = ToolchainStore(tmp_path / "toolchains", uv=str(uv), recipes=recipes)
    installation = asyncio.create_task(store.ensure("tiny", print))
    await eventually(lambda: _is_true(pid.exists()))
    installation.cancel()
    await asyncio.gather(installation, return_exceptions=True)
    await eventually(lambda: _is_true(_has_ended(int(pid.read_text()))))


async def test_a_full_disk_is_not_an_error_of_the_toolchain(tmp_path: Path, recipes: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'failed to write: No space left on device (os error 28)'\nexit 2\n")
    uv.chmod(0o755)
    with pytest.raises(ConversionError, match="No space left") as caught:
        await ToolchainStore(tmp_path / "toolchains", uv=str(uv), recipes=recipes).ensure("tiny", print)
    assert caught.value.code == "disk_full"


async def _is_true(value: bool) -> bool:  # noqa: FBT001
    return value


async def test_a_changed_recipe_and_a_broken_environment_are_rebuilt(
    store: ToolchainStore, recipes: Path, tmp_path: Path
) -> None:
    python = await store.ensure("tiny", print)
    (recipes / "tiny.txt").write_text("# python: 3.11\n# imports: json csv\n")
    lines: list[str] = []
    await store.ensure("tiny", lines.append)
    assert "installing toolchain tiny" in lines
    python.unlink()
    lines.clear()
    await ToolchainStore(tmp_path / "toolchains", recipes=recipes).ensure("tiny", lines.append)
    assert "installing toolchain tiny" in lines
    assert python.is_file()


async def test_an_environment_whose_modules_do_not_import_is_not_a_toolchain(
    store: ToolchainStore, recipes: Path
) -> None:
    (recipes / "tiny.txt").write_text("# python: 3.11\n# imports: no_such_module\n")
    with pytest.raises(ConversionError, match="No module named 'no_such_module'") as caught:
        await store.ensure("tiny", print)
    assert caught.value.code == "toolchain_failed"
    assert not store.list()[0].installed


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        pytest.param("# commands: no-such-command\n", "needs no-such-command: install it first", id="command"),
        pytest.param("no such requirement\n", "uv pip failed", id="requirement"),
    ],
)
async def test_a_toolchain_that_cannot_be_installed_reports_what_is_missing(
    store: ToolchainStore, recipes: Path, recipe: str, message: str
) -> None:
    (recipes / "tiny.txt").write_text(recipe)
    with pytest.raises(ConversionError, match=message):
        await store.ensure("tiny", print)


async def test_shared_packages_are_installed_with_each_toolchain_and_part_of_its_digest(
    store: ToolchainStore, recipes: Path
) -> None:
    (recipes / "tiny.txt").write_text("# python: 3.11\n# imports: json\n# with: shared.requirements\n")
    (recipes / "shared.requirements").write_text("# nothing yet\n")
    await store.ensure("tiny", print)
    before = read_recipe("tiny", recipes).digest
    (recipes / "shared.requirements").write_text("no such requirement\n")
    assert read_recipe("tiny", recipes).digest != before
    with pytest.raises(ConversionError, match="uv pip failed"):
        await store.ensure("tiny", print)


async def test_a_missing_uv_is_reported(tmp_path: Path, recipes: Path) -> None:
    store = ToolchainStore(tmp_path / "toolchains", uv="no-such-uv", recipes=recipes)
    with pytest.raises(ConversionError, match="no-such-uv cannot be run"):
        await store.ensure("tiny", print)


async def test_toolchains_are_listed_and_removed(store: ToolchainStore) -> None:
    (before,) = store.list()
    assert (before.name, before.installed, before.size) == ("tiny", False, 0)
    await store.ensure("tiny", print)
    (after,) = store.list()
    assert after.installed
    assert after.size > 0
    await store.remove("tiny")
    assert store.list() == (before,)


async def test_an_unknown_name_is_refused(store: ToolchainStore) -> None:
    for name in ("other", "../recipes/tiny"):
        with pytest.raises(ConversionError, match="the toolchains are: tiny"):
            await store.ensure(name, print)


def test_every_recipe_pins_each_package() -> None:
    for name in recipe_names():
        recipe = read_recipe(name)
        assert recipe.imports
        for line in recipe.requirements.read_text().splitlines():
            assert line.startswith(("#", "    --hash=sha256:")) or "==" in line


@pytest.mark.parametrize("toolchain", sorted({pair.toolchain for pair in PAIRS}))
def test_every_pair_has_a_recipe(toolchain: str) -> None:
    assert read_recipe(toolchain).name == toolchain


def pins(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if "==" in line]
    return dict(line.split()[0].split("==") for line in lines)


def test_the_model_servers_requirements_have_the_versions_of_the_lock() -> None:
    lock = {package["name"]: package for package in tomllib.loads(LOCK.read_text())["package"]}
    needed, todo = {"kleverserve"}, ["kleverserve"]
    while todo:
        for name in (each["name"] for each in lock[todo.pop()].get("dependencies", ())):
            if name != "numpy" and name not in needed:
                needed.add(name)
                todo.append(name)
    ours = {name for name in needed if "editable" in lock[name]["source"]}
    assert ours == set(SERVER_PACKAGES)
    assert pins(RECIPES / "server.requirements") == {name: lock[name]["version"] for name in needed - ours}


@pytest.mark.parametrize(("package", "toolchain"), sorted(LOADERS))
def test_parsers_know_the_versions_that_load_pickles(package: str, toolchain: str) -> None:
    assert pins(read_recipe(toolchain).requirements)[package] == LOADERS[package, toolchain]


@pytest.mark.parametrize("toolchain", ["openvino", "pmml", "sklearn", "torch"])
def test_the_model_servers_requirements_do_not_contradict_a_toolchain(toolchain: str) -> None:
    recipe = read_recipe(toolchain)
    assert recipe.shared == RECIPES / "server.requirements"
    own, server = pins(recipe.requirements), pins(recipe.shared)
    assert "numpy" in own
    assert {name: own[name] for name in own.keys() & server.keys()} == {
        name: server[name] for name in own.keys() & server.keys()
    }


def _has_ended(pid: int) -> bool:
    """Return whether the process no longer runs, even if its exit status has not been collected."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
