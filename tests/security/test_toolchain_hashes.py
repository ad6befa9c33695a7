"""Toolchains contain exactly what their recipes pin, whatever a package index serves."""

import asyncio
import hashlib
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread

import pytest

from modelconversion.errors import ConversionError
from modelconversion.toolchains.recipes import RECIPES
from modelconversion.toolchains.store import ToolchainStore

WHEEL = "demo_tool-1.0-py3-none-any.whl"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


def wheel(code: str) -> bytes:
    """A package `demo_tool` with this code."""
    metadata = "demo_tool-1.0.dist-info"
    files = {
        "demo_tool.py": code,
        f"{metadata}/METADATA": "Metadata-Version: 2.1\nName: demo-tool\nVersion: 1.0\n",
        f"{metadata}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{metadata}/RECORD": "",
    }
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return packed.getvalue()


GOOD = wheel("answer = 42\n")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An index with one package."""
    folder = tmp_path / "index" / "demo-tool"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(f'<a href="{WHEEL}">{WHEEL}</a>')
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "index"))) as server:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
        Thread(target=server.serve_forever, daemon=True).start()
        yield folder / WHEEL
        server.shutdown()


@pytest.fixture
def store(tmp_path: Path) -> ToolchainStore:
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    pin = f"demo-tool==1.0 \\\n    --hash=sha256:{hashlib.sha256(GOOD).hexdigest()}\n"
    (recipes / "demo.txt").write_text(f"# imports: demo_tool\n{pin}")
    return ToolchainStore(tmp_path / "toolchains", recipes=recipes)


def test_a_package_with_the_hash_of_the_recipe_is_installed(index: Path, store: ToolchainStore) -> None:
    index.write_bytes(GOOD)
    assert asyncio.run(store.ensure("demo", lambda _: None)).exists()


def test_a_package_that_was_changed_on_its_index_is_refused(index: Path, store: ToolchainStore) -> None:
    index.write_bytes(wheel("import os; os.system('true')\n"))
    with pytest.raises(ConversionError, match=r"(?i)hash mismatch"):
        asyncio.run(store.ensure("demo", lambda _: None))
    assert [each.installed for each in store.list()] == [False]


@pytest.mark.parametrize(
    "path", sorted([*RECIPES.glob("*.txt"), *RECIPES.glob("*.requirements")]), ids=lambda p: p.name
)
def test_every_recipe_names_the_hashes_of_every_package(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    pins = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    assert pins
    assert all("--hash=sha256:" in lines[number + 1] for number in pins)
    assert not any("index" in line or "://" in line for line in lines)
