"""Builds the container images with docker, podman or buildah: `task images`, or `task images -- registry gateway`."""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from modelfiles.runtimes import REPOSITORY, RUNTIMES

ROOT = Path(__file__).parent.parent
DOCKERFILE = "deploy/images/Dockerfile"
ENGINES = ("docker", "podman", "buildah")
BASES = ("BUILD_IMAGE", "BASE_IMAGE", "UV_IMAGE")
"""Build arguments that environment variables of the same names set."""


@dataclass(frozen=True)
class Image:
    """An image.

    Attributes:
        repository: its name without a registry and a tag.
        service: the stage of the Dockerfile.
        toolchains: toolchains that it contains.
    """

    repository: str
    service: str
    toolchains: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """The options of a build.

    Attributes:
        registry: registry and path of the repositories.
        version: the tag.
        revision: the commit.
        created: time of the build, as in RFC 3339.
        arguments: further build arguments.
        more: further options of the engine, such as `--platform=linux/arm64`.
    """

    registry: str
    version: str
    revision: str
    created: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    more: Sequence[str] = ()


def _images() -> dict[str, Image]:
    services = {name: Image(f"klever-{name}", name) for name in ("registry", "jobrunner", "deployer", "gateway")}
    others = {
        "klever": Image("klever", "klever"),
        "jobs": Image("klever-jobs", "jobrunner", ("onnx", "sklearn")),
        "storage-initializer": Image("ormb-storage-initializer", "storage-initializer"),
    }
    return {**services, **others, **{each.repository: each for each in _model_servers()}}


def _model_servers() -> Iterable[Image]:
    """One for each image that serves formats of the built-in server; the name ends with the toolchain."""
    for repository in {support.image: None for support in RUNTIMES["kleverserve"].formats.values()}:
        name = (repository or "").removeprefix(f"{REPOSITORY}/")
        _, _, toolchain = name.partition("-")
        yield Image(name, "kleverserve", (toolchain,) if toolchain else ())


IMAGES: Mapping[str, Image] = _images()
"""By the names that `task images -- NAME` accepts."""


def command(engine: str, image: Image, options: Options) -> list[str]:
    """Return the command line that builds an image."""
    arguments = {
        "SERVICE": image.service,
        **({"TOOLCHAINS": " ".join(image.toolchains)} if image.toolchains else {}),
        "VERSION": options.version,
        "REVISION": options.revision,
        "CREATED": options.created,
        **options.arguments,
    }
    # the format of OCI has no health checks
    docker_format = () if engine == "docker" else ("--format", "docker")
    return [
        *(engine, "build", *docker_format, "--file", DOCKERFILE),
        *("--tag", f"{options.registry}/{image.repository}:{options.version}"),
        *(word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")),
        *options.more,
        ".",
    ]


def find_engine(wanted: str | None) -> str:
    """Return the engine that builds. Exits with a message if none is installed."""
    installed = [name for name in ENGINES if shutil.which(name) and wanted in {None, name}]
    if not installed:
        sys.exit(f"none of {', '.join([wanted] if wanted else ENGINES)} is installed: install one to build images")
    return installed[0]


def main(words: Sequence[str]) -> int:
    """Build the images that the arguments name; returns the exit code of the first build that failed, or 0."""
    parsed, more = _parser().parse_known_args(words)
    engine = find_engine(parsed.engine)
    given = {name: os.environ[name] for name in BASES if os.environ.get(name)}
    arguments = given | dict(parsed.build_arg)
    options = Options(parsed.registry, parsed.version, _revision(), _now(), arguments, more)
    for image in parsed.images or IMAGES.values():
        line = command(engine, image, options)
        print("+", *line, flush=True)
        if code := subprocess.run(line, check=False, cwd=ROOT).returncode:
            return code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="task images --", description=__doc__, allow_abbrev=False)
    parser.add_argument("images", nargs="*", type=_image, metavar="NAME", help=f"default: all: {', '.join(IMAGES)}")
    parser.add_argument("--engine", choices=ENGINES, help="default: the first of these that is installed")
    parser.add_argument(
        "--registry", default=REPOSITORY, help="registry and path of the repositories; default: %(default)s"
    )
    parser.add_argument("--version", default=_version(), help="tag; default: %(default)s")
    parser.add_argument("--build-arg", action="append", default=[], type=_assignment, metavar="NAME=VALUE")
    parser.epilog = "Other options are passed to the engine, such as --platform=linux/arm64 or --network=host."
    return parser


def _image(name: str) -> Image:
    if name not in IMAGES:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(IMAGES)}")
    return IMAGES[name]


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def _version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def _revision() -> str:
    """Return the commit; empty outside a repository, and without git."""
    if shutil.which("git") is None:
        return ""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=False, capture_output=True, text=True)
    return head.stdout.strip()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
