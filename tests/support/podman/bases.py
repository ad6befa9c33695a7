"""The images that Dockerfiles start with, where nothing can be pulled."""

import inspect
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from support.container_images.cached_layers import cached_layer
from support.container_images.shared_libraries import add_libraries

from .engine import Podman

SUITE = "bookworm"
BUILD_PACKAGES = ("binutils", "ca-certificates", "python3")
RUNTIME_PACKAGES = (
    *("base-files", "tzdata", "media-types", "libc6", "libgcc-s1", "libstdc++6", "libssl3", "zlib1g", "libbz2-1.0"),
    *("liblzma5", "libffi8", "libexpat1", "libsqlite3-0", "libuuid1", "libncursesw6", "libtinfo6", "libreadline8"),
    *("libdb5.3", "libnsl2", "libtirpc3", "libcom-err2", "libcrypt1", "libgssapi-krb5-2", "libk5crypto3"),
    *("libkrb5-3", "libkrb5support0", "libkeyutils1", "libpython3.11-minimal", "libpython3.11-stdlib"),
    *("python3.11-minimal", "python3-minimal"),
)
"""The packages of gcr.io/distroless/python3-debian12, which has no shell and no package manager."""
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
TRUSTED = Path("/", CERTIFICATES)
"""The authorities that this machine trusts, for example that of a proxy."""
UNUSED = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/lintian/", "/usr/share/locale/", "/usr/share/info/")


def base_images(engine: Podman) -> dict[str, str]:
    """Creates the images; returns the build arguments that name them."""
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv is not None
    build = _cached("build", _debootstrap, TRUSTED)
    images = {
        "BUILD_IMAGE": build,
        "BASE_IMAGE": _cached("runtime", partial(_distroless, build), build),
        "UV_IMAGE": _cached("uv", lambda root: shutil.copy(uv, root / "uv"), Path(uv)),
    }
    return {name: engine.import_image(path, f"localhost/base/{path.stem}:1") for name, path in images.items()}


def program_image(engine: Podman, program: Path) -> str:
    """Creates an image with one program and its shared libraries as its entry point; returns its name."""

    def add(root: Path) -> None:
        (root / "bin").mkdir()
        (root / "tmp").mkdir()
        (root / "tmp").chmod(0o1777)
        shutil.copy(program, root / "bin" / program.name)
        add_libraries(root, [program])

    archive = _cached(program.name, add, program)
    name = f"localhost/{program.name}:1"
    engine.run("import", "--quiet", "--change", f'ENTRYPOINT ["/bin/{program.name}"]', str(archive), name)
    return name


def _cached(name: str, build: Callable[[Path], object], source: Path) -> Path:
    """A layer that depends on a file and this module."""
    return cached_layer(f"base-{name}", inspect.getsource(sys.modules[__name__]), build, files=[source])


def _debootstrap(root: Path) -> None:
    """Debian with Python, as in debian:bookworm-slim with the packages that the Dockerfile installs."""
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(BUILD_PACKAGES)}", SUITE, str(root)]
    completed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stdout[-2000:]
    for directory in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "dev"):
        shutil.rmtree(root / directory)
        (root / directory).mkdir()
    shutil.copy(TRUSTED, root / CERTIFICATES)


def _distroless(build: Path, root: Path) -> None:
    """The files of RUNTIME_PACKAGES only."""
    whole = root.parent / "whole"
    whole.mkdir()
    subprocess.run(["tar", "-C", str(whole), "-xf", str(build)], check=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    files = "\n".join([*_files_of(whole, RUNTIME_PACKAGES), f"./{CERTIFICATES}"])
    packed = ["tar", "-C", str(whole), "-c", "--no-recursion", "-T", "-"]
    content = subprocess.run(packed, input=files.encode(), check=True, capture_output=True).stdout
    subprocess.run(["tar", "-C", str(root), "-x"], input=content, check=True)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/sbin/nologin\nnonroot:x:65532:65532::/:/sbin/nologin\n")


def _files_of(root: Path, packages: tuple[str, ...]) -> list[str]:
    """The files of packages that are not directories, relative to the root."""
    command = ["dpkg", f"--root={root}", "-L", *packages]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")
    paths = {_merged(path) for path in listed if path.startswith("/") and not path.startswith(UNUSED)}
    return sorted(
        f".{path}"
        for path in paths
        if (root / path[1:]).is_symlink() or os.path.isfile(root / path[1:])  # noqa: PTH113
    )


def _merged(path: str) -> str:
    """The path below /usr: /bin, /lib and so on are links to it."""
    return f"/usr{path}" if path.startswith(("/bin/", "/lib/", "/lib64/", "/sbin/")) else path
