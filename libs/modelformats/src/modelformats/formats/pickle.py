"""Pickles of any object, and files of torch.save: a zip with a pickle, or, before PyTorch 1.6, several pickles.

Read without unpickling (see `modelfiles.inert_pickle`).
"""

import io
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from kleverproto.signatures import Signature
from modelfiles.inert_pickle import Inert, class_name, read_pickles
from modelfiles.selection import member_names
from modelfiles.zips import find, read_member
from modelformats.format import files_matching, head, only_candidate, reading
from modelformats.inert_tensors import content_of, tensors_in
from modelformats.torch_archives import byte_order, member_sizes
from modelformats.weights import counted, newer_types

PATTERNS = ("*.pickle", "*.pkl", "*.pt", "*.pth", "*.ckpt")
OTHER_PATTERN = "*.bin"
"""Files of many formats have such names, so the content decides."""
DATA, SCRIPT = "data.pkl", "constants.pkl"
TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of old files; the fourth is the object: torch/serialization.py, _legacy_save."""
LEGACY_OBJECT = 3
PICKLE_LIMIT = 256 * 1024**2
KEYS = 100
STARTS = (b"\x80", b"(", b"}", b"]", b"c")
PROTOCOLS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""The first bytes of pickles of later protocols."""
NO_SIGNATURE = "a pickle contains objects, not a signature: declare it in ormbfile.yaml"


class Pickle:
    """See `modelformats.format.Format`."""

    name = "Pickle"

    def detect(self, directory: Path) -> bool:
        """Detect one pickle with a usual name that matches no other format, or one zip that torch.save wrote."""
        return len(_candidates(directory)) == 1

    def validate(self, directory: Path) -> None:
        """Check for one such file."""
        _file(directory)

    def extract(self, directory: Path) -> Signature:
        """Return the class of the object; the tensors of a state or module; the modules inside a module."""
        path = _file(directory)
        with reading(path, "pickle"):
            return _archive_signature(path) if _is_archive(path) else _signature(_load(path), {}, None)


def _candidates(directory: Path) -> list[Path]:
    named, others = files_matching(directory, *PATTERNS), files_matching(directory, OTHER_PATTERN)
    pickles = [path for path in named if head(path, 1) in STARTS] + [path for path in others if _says_protocol(path)]
    return pickles + [path for path in (*named, *others) if _is_archive(path)]


def _says_protocol(path: Path) -> bool:
    return head(path, 2) in PROTOCOLS


def _is_archive(path: Path) -> bool:
    ends = {name.partition("/")[2] for name in member_names(path)}
    return DATA in ends and SCRIPT not in ends


def _file(directory: Path) -> Path:
    """Select the file by name if the author has declared the format."""
    named = [path for path in files_matching(directory, *PATTERNS) if not member_names(path)]
    return only_candidate(_candidates(directory) or named, " or ".join(PATTERNS))


def _archive_signature(path: Path) -> Signature:
    with ZipFile(path) as archive:
        member = find(archive, DATA) or DATA
        content = read_member(archive, member, PICKLE_LIMIT)
        sizes = member_sizes(archive, f"{member.removesuffix(DATA)}data/")
        return _signature(read_pickles(io.BytesIO(content), 1)[0], sizes, byte_order(archive))


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        objects = read_pickles(file, LEGACY_OBJECT + 1)
    if objects[0] != TORCH_MAGIC:
        return objects[0]
    if len(objects) <= LEGACY_OBJECT:
        raise ValueError("the object in it cannot be read")
    return objects[LEGACY_OBJECT]


def _signature(root: Any, sizes: Mapping[str, int], order: str | None) -> Signature:
    """Return the signature, with the sizes of storages beside the pickle, and their byte order."""
    tensors = list(tensors_in(root))
    own = {tensor.storage: tensor.weight(sizes) for tensor in tensors}.values()
    modules = Counter(_modules(root))
    unknown = dict.fromkeys(("inputs", "outputs"), NO_SIGNATURE)
    if not modules:
        unknown["operators"] = "it contains no PyTorch module"
    if not tensors:
        unknown["parameters"] = "it contains no PyTorch tensors"
    return Signature(
        operators=dict(sorted(modules.items())),
        parameters=counted(own) if tensors else None,
        framework="PyTorch" if tensors or modules else None,
        details={
            "class": _named(root),
            "keys": [name[:200] for name in _keys(root)],
            "tensors": len(tensors),
            "byte_order": order,
        },
        unknown=unknown | newer_types(own),
    )


def _named(root: Any) -> str:
    return class_name(root) or type(root).__name__


def _keys(root: Any) -> list[str]:
    return [key for key, _ in content_of(root) if isinstance(key, str) and key.isprintable()][:KEYS]


def _modules(root: Any) -> Iterator[str]:
    """Yield the classes of a pickled module and of the modules in it."""
    waiting, seen = [root], set[int]()
    while waiting:
        value = waiting.pop()
        if id(value) in seen or not isinstance(value, Inert):
            continue
        seen.add(id(value))
        inside = value.attribute("_modules")
        if value.attribute("_parameters") is not None or inside is not None:
            yield _named(value).rpartition(".")[2]
            waiting.extend(inner for _, inner in content_of(inside))


PICKLE = Pickle()
