"""Layers of images whose programs are Python: the interpreter, packages, and sources of this repository."""

import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .shared_libraries import add_libraries

PACKAGES, SOURCES = "opt/klever/packages", "opt/klever/sources"
ENVIRONMENT = (f"PYTHONPATH=/{SOURCES}:/{PACKAGES}",)
REPOSITORY = Path(__file__).parents[3]
UNUSED = (
    "__pycache__",
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "config-*",
    "ensurepip",
)
FILES = {
    "etc/passwd": "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n",
    "etc/group": "root:x:0:\nnonroot:x:65532:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
SCRIPT = """#!/usr/local/bin/python3
import sys
from {module} import {function}
sys.exit({function}())
"""


def add_python(root: Path) -> None:
    """Copies the interpreter that runs the tests, with its standard library, to /usr/local."""
    version = f"python{sysconfig.get_python_version()}"
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    binaries, library = root / "usr/local/bin", root / "usr/local/lib" / version
    binaries.mkdir(parents=True)
    program = Path(sys.executable).resolve()
    shutil.copy(program, binaries / version)
    for name in ("python", "python3"):
        (binaries / name).symlink_to(version)
    shutil.copytree(sysconfig.get_path("stdlib"), library, symlinks=True, ignore=shutil.ignore_patterns(*UNUSED))
    for path, text in FILES.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)
    add_libraries(root, [program, *(library / "lib-dynload").iterdir()])
    _compile(root, library)


def add_packages(root: Path, requirements: str) -> None:
    """Installs packages.

    Args:
        root: the file system.
        requirements: every package with its version and its hashes; nothing is resolved.
    """
    target, file = root / PACKAGES, root / "requirements.txt"
    file.write_text(requirements)
    verified = ("--require-hashes", "--no-build", "--no-deps", "--python", sys.executable)
    subprocess.run(["uv", "pip", "install", "-q", *verified, "--target", str(target), "-r", str(file)], check=True)
    file.unlink()
    add_libraries(root, sorted(target.rglob("*.so*")))
    _compile(root, target)


def add_sources(root: Path, packages: Sequence[Path]) -> None:
    """Copies Python packages; members of the workspace with their console scripts and their version.

    Args:
        root: the file system.
        packages: directories of this repository.
    """
    target = root / SOURCES
    for package in packages:
        shutil.copytree(package, target / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        if (project := package.parents[1] / "pyproject.toml").exists():
            _add_distribution(root, tomllib.loads(project.read_text())["project"])
    _compile(root, target)


def _add_distribution(root: Path, project: dict[str, Any]) -> None:
    """Adds what an installer adds, by the table `project` of pyproject.toml."""
    metadata = root / SOURCES / f"{project['name']}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(METADATA.format(**project))
    binaries = root / "usr/local/bin"
    binaries.mkdir(parents=True, exist_ok=True)
    for name, entry_point in project.get("scripts", {}).items():
        module, _, function = entry_point.partition(":")
        (binaries / name).write_text(SCRIPT.format(module=module, function=function))
        (binaries / name).chmod(0o755)


def _compile(root: Path, directory: Path) -> None:
    """Writes bytecode: a container has a read-only file system. Files that are not valid Python are left out."""
    mode = ("--invalidation-mode", "unchecked-hash")
    paths = ("-s", str(root), "-p", "/", str(directory))
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "-j", "0", *mode, *paths], check=False, capture_output=True
    )
