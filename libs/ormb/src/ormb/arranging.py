"""Arranges the file tree of another tool as a model directory: selects the files that are the model."""

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import modelformats
from modelformats.parts import NUMBERED

from .errors import UnsupportedArtifactError
from .layouts.layout import EXTRA, TREE, Role
from .packing import MODEL
from .space import writing_to

HERE = PurePosixPath()
Paths = frozenset[PurePosixPath]


@dataclass(frozen=True)
class Tree:
    """The files of an artifact, at the paths that the artifact gives them.

    Attributes:
        directory: the root of the tree.
        roles: all files with their roles.
        format: the format that the artifact names.
    """

    directory: Path
    roles: Mapping[PurePosixPath, Role]
    format: str | None

    def below(self, root: PurePosixPath, *roles: Role) -> Paths:
        """Return the files below a directory that have one of the roles; all files if no role is given."""
        selected = roles or tuple(Role)
        return frozenset(path for path, role in self.roles.items() if path.is_relative_to(root) and role in selected)

    def format_of(self, root: PurePosixPath, files: Paths) -> str | None:
        """Return the format that files have in a model directory without other files; None if unknown or incomplete.

        Args:
            root: the directory of the tree that is the model directory.
            files: below it.
        """
        if files == self.below(root):
            return self._format_in(self.directory / root)
        with tempfile.TemporaryDirectory(dir=self.directory.parent, prefix=".trial-") as name:
            for path in files:
                link = Path(name) / path.relative_to(root)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(self.directory.absolute() / path)
            return self._format_in(Path(name))

    def _format_in(self, directory: Path) -> str | None:
        candidates = (self.format, modelformats.detect_format(directory))
        return next((candidate for candidate in candidates if candidate and _is_complete(candidate, directory)), None)


def arrange(
    stage: Path, roles: Mapping[PurePosixPath, Role], model_path: str | None, declared_format: str | None
) -> None:
    """Move the files of the model to `model/`, and all other files to `extra/`.

    Args:
        stage: holds the tree.
        roles: every file of the tree.
        model_path: the file or directory that the artifact names as its model.
        declared_format: the format that the artifact names.

    Raises:
        NoSpaceError.
        UnsupportedArtifactError: two layers have a file and a directory of the same name.
    """
    tree = Tree(stage / TREE, roles, declared_format)
    try:
        with writing_to(stage):
            _move(tree, stage, *model_files(tree, model_path))
    except OSError as error:
        raise UnsupportedArtifactError(f"cannot arrange the files of the artifact: {error}") from error


def _move(tree: Tree, stage: Path, root: PurePosixPath, files: Paths) -> None:
    for path in tree.roles.keys() - files:
        target = stage / EXTRA / path
        target.parent.mkdir(parents=True, exist_ok=True)
        (tree.directory / path).replace(target)
    shutil.rmtree(stage / MODEL, ignore_errors=True)  # left by a process that was killed before it moved the files
    (tree.directory / root).rename(stage / MODEL)
    shutil.rmtree(tree.directory, ignore_errors=True)


def model_files(tree: Tree, model_path: str | None) -> tuple[PurePosixPath, Paths]:
    """Return the directory of the model in the tree, and the files of the model.

    The directory is the model that the artifact names. If it names none, it is the root of the tree or the deepest
    directory that contains all weights. Other files of the directory belong to the model if the format stays the same.
    """
    named = _named(tree.roles, model_path)
    if named is None:
        return _by_weights(tree)
    root = named.parent if named in tree.roles else named
    files = tree.below(named, Role.MODEL, Role.PART) or tree.below(named)
    rivals = (
        _rivals(named, tree.below(root, Role.MODEL, Role.PART)) if named in tree.roles else frozenset[PurePosixPath]()
    )
    parts = files | (tree.below(root, Role.MODEL, Role.PART) - rivals)
    return root, _widest(tree, root, (files, parts, tree.below(root) - rivals))


def _by_weights(tree: Tree) -> tuple[PurePosixPath, Paths]:
    weights = tree.below(HERE, Role.MODEL)
    for root in (HERE, _common(weights)):
        files = tree.below(root, Role.MODEL, Role.PART)
        if tree.format_of(root, files):
            return root, _widest(tree, root, (files, tree.below(root)))
    return HERE, tree.below(HERE)


def _widest(tree: Tree, root: PurePosixPath, choices: tuple[Paths, ...]) -> Paths:
    """Return the largest choice with the same format as the smallest choice that has one; all files if none has."""
    formats = {files: tree.format_of(root, files) for files in dict.fromkeys(choices)}
    first = next((candidate for candidate in formats.values() if candidate), None)
    return [files for files, candidate in formats.items() if candidate == first][-1]


def _named(roles: Mapping[PurePosixPath, Role], model_path: str | None) -> PurePosixPath | None:
    """Return the path of the model that the artifact names. ModelKits before 0.5 have only its last part."""
    if model_path is None:
        return None
    path = PurePosixPath(model_path)
    directories = {parent for file in roles for parent in file.parents}
    return next((each for each in (path, PurePosixPath(path.name)) if each in roles or each in directories), None)


def _rivals(model: PurePosixPath, files: Iterable[PurePosixPath]) -> Paths:
    """Return files that could be mistaken for the model, such as an adapter; not further parts of a split model."""
    return frozenset(
        path
        for path in files
        if path != model
        and path.suffix == model.suffix
        and path.parent == model.parent
        and not NUMBERED.fullmatch(path.name)
    )


def _common(files: Paths) -> PurePosixPath:
    """Return the deepest directory that contains all files."""
    directories = [set(path.parents) for path in files]
    return max(set.intersection(*directories), key=lambda path: len(path.parts)) if directories else HERE


def _is_complete(format_name: str, directory: Path) -> bool:
    try:
        modelformats.validate_layout(format_name, directory)
    except modelformats.InvalidModelError:
        return False
    return True
