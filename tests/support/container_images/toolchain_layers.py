"""Layers with toolchains: environments as `klever toolchain install` creates them, for the interpreter of the image."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

from modelconversion.toolchains.recipes import read_recipe

from . import python_layers
from .requirements import requirements_of_toolchain
from .shared_libraries import add_libraries

TOOLCHAINS = "opt/klever/toolchains"
SETTINGS = "home = /usr/local/bin\ninclude-system-site-packages = false\nversion = {version}\n"


def add_toolchain(root: Path, name: str) -> None:
    """Creates the environment of a toolchain in a file system."""
    recipe, environment = read_recipe(name), root / TOOLCHAINS / name
    version = f"python{sysconfig.get_python_version()}"
    packages = environment / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (environment / "bin").mkdir()
    for each in ("python", version):
        (environment / "bin" / each).symlink_to(f"/usr/local/bin/{version}")
    (environment / "pyvenv.cfg").write_text(SETTINGS.format(version=sys.version.split()[0]))
    file = root / "requirements.txt"
    file.write_text(requirements_of_toolchain(name))
    verified = ("--require-hashes", "--no-build", "--no-deps", "--python", sys.executable)
    subprocess.run(["uv", "pip", "install", "-q", *verified, "--target", str(packages), "-r", str(file)], check=True)
    file.unlink()
    add_libraries(root, sorted(packages.rglob("*.so*")))
    python_layers._compile(root, packages)
    (environment / "toolchain.json").write_text(json.dumps({"digest": recipe.digest, "size": 1}))
