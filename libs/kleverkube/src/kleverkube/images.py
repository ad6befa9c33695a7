"""Container images: the repositories are in the table of runtimes, the tags here."""

from importlib.metadata import version as installed_version

from kleverproto.variants import CUSTOM, Variant
from modelfiles.runtimes import REPOSITORY, RUNTIMES, Support

from .errors import UnsupportedOnClusterError
from .options import ClusterOptions
from .version import ServedVersion

INITIALIZER = f"{REPOSITORY}/ormb-storage-initializer"
THIRD_PARTY_TAGS = {
    "nvcr.io/nvidia/tritonserver": "25.02-py3",  # the last release with a backend for TensorFlow
    "docker.io/seldonio/mlserver": "1.7.1",
}


def initializer_image(options: ClusterOptions) -> str:
    """The image of the init container."""
    return runtime_image(INITIALIZER, options)


def runtime_image(repository: str, options: ClusterOptions) -> str:
    """The image of a repository, with the tag of this release or the image that replaces it."""
    replacement = options.images.get(repository)
    tag = THIRD_PARTY_TAGS.get(repository) or installed_version("kleverkube")
    return replacement or f"{repository}:{tag}"


def server_image(version: ServedVersion, options: ClusterOptions) -> str:
    """The image of a version's model servers. Raises UnsupportedOnClusterError if there is none."""
    return custom_image(version.variant) or runtime_image(support_of(version).image or "", options)


def custom_image(variant: Variant) -> str | None:
    """The image of a custom server; None for a runtime. Raises UnsupportedOnClusterError for a command without one."""
    if variant.custom is None:
        return None
    if variant.custom.image is None:
        raise UnsupportedOnClusterError(
            f"variant {variant.name} has a command and no image. Add `custom.image`: a cluster runs images only"
        )
    return variant.custom.image


def support_of(version: ServedVersion) -> Support:
    """Return the runtime's support of the version's format. Raises UnsupportedOnClusterError if no image has it."""
    if version.runtime not in _runtimes(version.format):
        raise _no_image(version.variant.model, version.format, version.runtime)
    return RUNTIMES[version.runtime].formats[version.format]


def runtime_of(variant: Variant, model_format: str) -> str:
    """The runtime that serves a variant on a cluster. Raises UnsupportedOnClusterError if no image does."""
    if variant.custom is not None:
        return CUSTOM
    candidates = [name for name in _runtimes(model_format) if variant.runtime in {None, name}]
    if not candidates:
        raise _no_image(variant.model, model_format, variant.runtime or "no runtime")
    return candidates[0]


def _runtimes(model_format: str) -> tuple[str, ...]:
    """The runtimes whose images serve a format, the default first."""
    return tuple(
        name
        for name, runtime in RUNTIMES.items()
        if model_format in runtime.formats and runtime.formats[model_format].image is not None
    )


def _no_image(model: str, model_format: str, runtime: str) -> UnsupportedOnClusterError:
    described = f"{model} is a {model_format or 'model of unknown format'}"
    has = "has an image" if runtime == "no runtime" else "has no image"
    return UnsupportedOnClusterError(f"{described}, for which {runtime} {has}. {_suggestion(model_format)}")


def is_custom(version: ServedVersion) -> bool:
    """Return whether the version runs a custom server."""
    return version.runtime == CUSTOM


def _suggestion(model_format: str) -> str:
    names = _runtimes(model_format)
    return (
        f"Set runtime to {' or '.join(names)}"
        if names
        else "Convert it with `klever convert`, or add a server of your own (`custom.image`)"
    )
