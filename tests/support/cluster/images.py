"""Images without a registry: a directory becomes an archive that containerd imports."""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from .layout import Layout

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def archive(
    name: str,
    layers: Sequence[Path],
    target: Path,
    *,
    entrypoint: tuple[str, ...] = (),
    user: str = "",
    environment: tuple[str, ...] = (),
) -> Path:
    """Writes an image in the format of `docker save`.

    Args:
        name: with its tag.
        layers: tar files (see `layer`), the lowest first.
        target: the archive.
        entrypoint: the command of its containers.
        user: user of its processes, `uid` or `uid:gid`; root if empty.
        environment: variables as `NAME=value`.
    """
    digests = [sha256(each) for each in layers]
    config = json.dumps(_config(digests, entrypoint, user, environment)).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    members = [f"{digest}/layer.tar" for digest in digests]
    with tarfile.open(target, "w") as image:
        _add(image, config_name, config)
        for path, member in zip(layers, members, strict=True):
            image.add(path, arcname=member)
        _add(
            image,
            "manifest.json",
            json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": members}]).encode(),
        )
    return target


def layer(root: Path, target: Path) -> Path:
    """Writes a layer, the tar file of a directory; all files belong to root in the image."""
    with tarfile.open(target, "w") as content:
        content.add(root, arcname=".", filter=_owned_by_root)
    return target


def sha256(file: Path) -> str:
    """Returns the digest of a file's content, in hexadecimal digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def root_with(layout: Layout, name: str, program: str, *, names: tuple[str, ...] = ()) -> Path:
    """Creates a file system with one static program in /bin, and returns its directory.

    Args:
        layout: layout of the cluster.
        name: name of the program in the image.
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


def _config(
    digests: Sequence[str], entrypoint: tuple[str, ...], user: str, environment: tuple[str, ...]
) -> dict[str, object]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Entrypoint": list(entrypoint), "User": user, "Env": [PATH, *environment], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
    }


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member


def _add(image: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    image.addfile(member, io.BytesIO(content))
