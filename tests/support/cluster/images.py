"""Images without a registry: a directory becomes an archive that containerd imports."""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

from .layout import Layout

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def archive(name: str, root: Path, target: Path, *, entrypoint: tuple[str, ...], user: str = "") -> Path:
    """Writes an image with one layer in the format of `docker save`.

    Args:
        name: with its tag.
        root: its file system; all files belong to root in the image.
        target: the archive.
        entrypoint: the command of its containers.
        user: who runs it, `uid` or `uid:gid`; root if empty.
    """
    layer = target.with_suffix(".layer")
    with tarfile.open(layer, "w") as content:
        content.add(root, arcname=".", filter=_owned_by_root)
    digest = _sha256(layer)
    config = json.dumps(_config(digest, entrypoint, user)).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(target, "w") as image:
        _add(image, config_name, config)
        image.add(layer, arcname=f"{digest}/layer.tar")
        _add(image, "manifest.json", json.dumps(manifest).encode())
    layer.unlink()
    return target


def root_with(layout: Layout, name: str, program: str, *, names: tuple[str, ...] = ()) -> Path:
    """Creates a file system with one static program in /bin, and returns its directory.

    Args:
        layout: of the cluster.
        name: of the program in the image.
        program: its path.
        names: further names of the program, as symbolic links.
    """
    root = layout.directory / "images" / name
    for directory in ("bin", "tmp", "etc"):
        (root / directory).mkdir(parents=True)
    shutil.copy(program, root / "bin" / name)
    for each in names:
        (root / "bin" / each).symlink_to(name)
    (root / "tmp").chmod(0o1777)
    return root


def load(layout: Layout, image: Path) -> None:
    """Imports an archive into containerd, where kubelet finds it."""
    command = ["ctr", f"--address={layout.containerd_socket}", "--namespace=k8s.io", "images", "import", str(image)]
    subprocess.run(command, check=True, capture_output=True)


def _config(digest: str, entrypoint: tuple[str, ...], user: str) -> dict[str, object]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Entrypoint": list(entrypoint), "User": user, "Env": [PATH], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _add(image: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    image.addfile(member, io.BytesIO(content))
