"""Images whose programs are Python, assembled from layers."""

import hashlib
import inspect
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from support.cluster.images import archive, layer

from . import python_layers, shared_libraries, toolchain_layers
from .cached_layers import cached_layer
from .python_layers import ENVIRONMENT, REPOSITORY, add_packages, add_python, add_sources
from .requirements import requirements_of_toolchain
from .toolchain_layers import TOOLCHAINS, add_toolchain

USER = "65532:65532"


@dataclass(frozen=True)
class PythonImage:
    """An image.

    Attributes:
        repository: its name without a tag.
        requirements: returns its packages, as text of a requirements file.
        sources: directories of Python packages, relative to this repository.
        entrypoint: the command of its containers.
        toolchains: names of the toolchains that it contains.
    """

    repository: str
    requirements: Callable[[], str]
    sources: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    toolchains: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The last part of the repository."""
        return self.repository.rpartition("/")[2]


@contextmanager
def built(image: PythonImage) -> Iterator[tuple[str, Path]]:
    """Builds an image; yields its name, with a tag that is derived from its content, and its archive.

    The layers of the interpreter and the packages are cached.
    """
    with tempfile.TemporaryDirectory() as directory:
        layers = [*_cached_layers(image), _source_layer(image, Path(directory))]
        name = f"klever.test/{image.name}:{_digest(layers)}"
        target = Path(directory) / "image.tar"
        environment = (*ENVIRONMENT, f"KLEVER_TOOLCHAINS=/{TOOLCHAINS}")
        yield name, archive(name, layers, target, entrypoint=image.entrypoint, user=USER, environment=environment)


def _cached_layers(image: PythonImage) -> list[Path]:
    builders = "".join(inspect.getsource(module) for module in (python_layers, shared_libraries))
    python = f"{sys.version}{sys.base_prefix}{builders}"
    requirements = image.requirements()
    return [
        cached_layer("python", python, add_python),
        cached_layer(image.name, python + requirements, partial(add_packages, requirements=requirements)),
        *(_toolchain_layer(name, python) for name in image.toolchains),
    ]


def _toolchain_layer(name: str, python: str) -> Path:
    inputs = python + inspect.getsource(toolchain_layers) + requirements_of_toolchain(name)
    return cached_layer(f"toolchain-{name}", inputs, partial(add_toolchain, name=name))


def _source_layer(image: PythonImage, directory: Path) -> Path:
    root = directory / "sources"
    root.mkdir()
    add_sources(root, [REPOSITORY / each for each in image.sources])
    return layer(root, directory / "sources.tar")


def _digest(layers: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in layers:
        with path.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]
