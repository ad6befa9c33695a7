"""Creates ormbfile.yaml from training code, so that authors need not copy values by hand."""

import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from types import ModuleType

from .modelfile import FILE_NAME, GitRepo, GitSource, ModelFile, NamedValue, Signature, Tensor, dump_modelfile

STAGE = "training"
TensorSpec = tuple[str, str, tuple[int, ...]]
"""Name, NumPy dtype and shape, with -1 for a dimension of any length."""


def trained(  # noqa: PLR0913 - what there is to say of a model; all but the format by name
    format: str,  # noqa: A002 - as ormbfile.yaml spells it
    *,
    framework: ModuleType | str | None = None,
    metrics: Mapping[str, float] | None = None,
    hyper_parameters: Mapping[str, object] | None = None,
    inputs: Iterable[TensorSpec] = (),
    outputs: Iterable[TensorSpec] = (),
    description: str | None = None,
    labels: Mapping[str, str] | None = None,
    code: Path | None = None,
) -> ModelFile:
    """Return the metadata of a model that was trained.

    Args:
        format: such as `ONNX` or `SKLearn`.
        framework: the module that trained it, to which its version is added; or text.
        metrics: by name.
        hyper_parameters: by name; such as `estimator.get_params()`.
        inputs: inputs of the model.
        outputs: outputs of the model.
        description: for people.
        labels: for programs.
        code: a directory under git, from which author, repository and revision are read; default is the working
            directory.
    """
    repository = code or Path.cwd()
    signature = Signature(inputs=_tensors(inputs), outputs=_tensors(outputs))
    return ModelFile(
        author=_author(repository),
        format=format,
        framework=_framework(framework),
        description=description,
        labels=dict(labels or {}),
        metrics={STAGE: _named(metrics)} if metrics else {},
        hyper_parameters=_named(hyper_parameters or {}),
        signature=signature if signature != Signature() else None,
        training=_source(repository),
    )


def write_modelfile(modelfile: ModelFile, directory: Path) -> Path:
    """Write ormbfile.yaml into a model directory, which is created if missing. Returns the path. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / FILE_NAME
    path.write_text(dump_modelfile(modelfile), encoding="utf-8")
    return path


def _tensors(specs: Iterable[TensorSpec]) -> tuple[Tensor, ...]:
    return tuple(Tensor(name=name, d_type=dtype, size=shape) for name, dtype, shape in specs)


def _named(values: Mapping[str, object]) -> tuple[NamedValue, ...]:
    return tuple(NamedValue(name=name, value=str(value)) for name, value in sorted(values.items()))


def _framework(framework: ModuleType | str | None) -> str | None:
    """Return a name such as `scikit-learn 1.9.0` for the module `sklearn`."""
    if not isinstance(framework, ModuleType):
        return framework
    top = framework.__name__.partition(".")[0]
    name = next(iter(packages_distributions().get(top, [])), top)
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return name


def _source(repository: Path) -> GitSource | None:
    """Return the git revision, and whether there are uncommitted changes."""
    revision = _git(repository, "rev-parse", "HEAD")
    if revision is None:
        return None
    changed = "with changes that were not committed" if _git(repository, "status", "--porcelain") else None
    remote = _git(repository, "remote", "get-url", "origin")
    return GitSource(git=GitRepo(repository=remote, revision=revision, description=changed))


def _author(repository: Path) -> str | None:
    name, mail = _git(repository, "config", "user.name"), _git(repository, "config", "user.email")
    return f"{name} <{mail}>" if name and mail else name


def _git(repository: Path, *arguments: str) -> str | None:
    """Return the output of git; None if it is empty, git is not installed, or the directory is not under git."""
    try:
        completed = subprocess.run(
            ["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return completed.stdout.strip() or None if completed.returncode == 0 else None
