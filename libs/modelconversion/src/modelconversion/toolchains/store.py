"""Toolchains: an isolated Python environment for each family of converters, installed on first use and then reused."""

import asyncio
import errno
import fcntl
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from kleverproto.codes import TOOLCHAIN_FAILED
from modelconversion.errors import ConversionError, failed_tool
from modelconversion.process_groups import session_of
from modelformats.threads import in_thread

from .recipes import RECIPES, Recipe, read_recipe, recipe_names

OnLine = Callable[[str], None]
"""Receives each line of progress."""

_MARK = "toolchain.json"
"""Written into an environment when it is complete."""
_LOCK_POLL_SECONDS = 0.1
_IMPORT_SECONDS = 120.0
_KEPT_LINES = 8


@dataclass(frozen=True)
class Toolchain:
    """A toolchain on this machine."""

    name: str
    path: Path
    installed: bool
    """Complete, and installed from the recipe of this version."""
    size: int
    """Bytes on disk when it was installed; 0 if it is not installed."""


class ToolchainStore:
    """The toolchains in one directory; several processes can share it."""

    def __init__(self, root: Path, *, uv: str = "uv", recipes: Path = RECIPES) -> None:
        self._root = root
        self._uv = uv
        self._recipes = recipes
        self._imported: set[str] = set()

    async def ensure(self, name: str, on_line: OnLine) -> Path:
        """Return the Python of a toolchain, which is installed if it is missing, out of date or broken.

        Raises ConversionError (toolchain_failed) if it cannot be installed; the message names what to install.
        """
        recipe = read_recipe(name, self._recipes)
        python = self._python(name)
        async with self._locked(name, on_line):
            if self._is_complete(recipe) and (name in self._imported or await _imports(python, recipe) is None):
                self._imported.add(name)
                return python
            await self._build(recipe, on_line)
            self._imported.add(name)
        return python

    def list(self) -> tuple[Toolchain, ...]:
        """List all toolchains with a recipe, installed or not."""
        recipes = [read_recipe(name, self._recipes) for name in recipe_names(self._recipes)]
        return tuple(
            Toolchain(recipe.name, self._root / recipe.name, self._is_complete(recipe), self._mark(recipe.name)[1])
            for recipe in recipes
        )

    async def remove(self, name: str) -> None:
        """Delete a toolchain's environment if it exists. Raises ConversionError for a name without a recipe."""
        read_recipe(name, self._recipes)
        async with self._locked(name, lambda _: None):
            self._imported.discard(name)
            await in_thread(shutil.rmtree, self._root / name, ignore_errors=True)

    def _python(self, name: str) -> Path:
        return self._root / name / "bin" / "python"

    def _is_complete(self, recipe: Recipe) -> bool:
        return self._mark(recipe.name)[0] == recipe.digest

    def _mark(self, name: str) -> tuple[str, int]:
        """Return the digest of the recipe from which a complete environment was installed, and its size."""
        try:
            mark = json.loads((self._root / name / _MARK).read_text())
            return str(mark["digest"]), int(mark["size"])
        except (OSError, ValueError, KeyError, TypeError):
            return "", 0

    async def _build(self, recipe: Recipe, on_line: OnLine) -> None:
        missing = [command for command in recipe.commands if shutil.which(command) is None]
        if missing:
            raise ConversionError(TOOLCHAIN_FAILED, f"toolchain {recipe.name} needs {missing[0]}: install it first")
        environment, python = self._root / recipe.name, self._python(recipe.name)
        on_line(f"installing toolchain {recipe.name}")
        await in_thread(shutil.rmtree, environment, ignore_errors=True)
        await self._run_uv("venv", "-q", "--python", recipe.python, environment, on_line=on_line)
        # Only wheels, with the hashes of the recipe; building from source would run code.
        verified = ("--require-hashes", "--no-build", "--no-deps", "--index-strategy", "first-index")
        files = ("-r", recipe.requirements, *(("-r", recipe.shared) if recipe.shared else ()))
        install = ("pip", "install", *verified, "--compile-bytecode", "--python", python)
        await self._run_uv(*install, *files, on_line=on_line)
        problem = await _imports(python, recipe)
        if problem is not None:
            raise ConversionError(TOOLCHAIN_FAILED, f"toolchain {recipe.name} was installed but is broken: {problem}")
        size = await in_thread(_size, environment)
        (environment / _MARK).write_text(json.dumps({"digest": recipe.digest, "size": size}))
        on_line(f"toolchain {recipe.name} is ready")

    async def _run_uv(self, *arguments: str | Path, on_line: OnLine) -> None:
        status, lines = await _run(self._uv, *map(str, arguments), on_line=on_line)
        if status:
            reason = "; ".join(lines) or f"exit code {status}"
            raise failed_tool(f"{self._uv} {arguments[0]} failed: {reason}")

    @asynccontextmanager
    async def _locked(self, name: str, on_line: OnLine) -> AsyncIterator[None]:
        """Hold the toolchain's lock, which excludes other processes; in an image nothing changes, so it has none."""
        descriptor = _open_lock(self._root, name)
        if descriptor is None:
            yield
            return
        try:
            is_reported = False
            while not _try_lock(descriptor):
                if not is_reported:
                    on_line(f"waiting for another process that is installing toolchain {name}")
                    is_reported = True
                await asyncio.sleep(_LOCK_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)


def _open_lock(root: Path, name: str) -> int | None:
    """Open a lock; None on a read-only file system."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        return os.open(root / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno == errno.EROFS:
            return None
        raise


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _imports(python: Path | str, recipe: Recipe) -> str | None:
    """Return None if the modules of the recipe can be imported, else the problem."""
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    try:
        async with asyncio.timeout(_IMPORT_SECONDS):
            status, lines = await _run(str(python), "-P", "-c", code, *recipe.imports, on_line=lambda _: None)
    except TimeoutError:
        return f"importing {', '.join(recipe.imports)} took over {_IMPORT_SECONDS:.0f} s"
    except ConversionError as error:
        return str(error)
    return (lines[-1] if lines else f"exit code {status}") if status else None


async def _run(command: str, *arguments: str, on_line: OnLine) -> tuple[int, list[str]]:
    """Run a command. Returns its exit status and last lines.

    If the call is cancelled, it is killed with its children.
    """
    last: list[str] = []
    async with session_of(command, *arguments, stdout=asyncio.subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101  # asked for above
        async for line in process.stdout:
            text = line.decode(errors="replace").rstrip()
            on_line(text)
            last = [*last, text][-_KEPT_LINES:]
        return await process.wait(), last


def _size(directory: Path) -> int:
    return sum(path.lstat().st_size for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
