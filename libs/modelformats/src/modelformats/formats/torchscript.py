"""TorchScript archives: a zip of data.pkl (the modules' attributes), code/ (their methods) and data/ (the numbers).

The layout is described in torch/csrc/jit/docs/serialization.md. The pickle is not loaded, and no code is run.
"""

import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from kleverproto.signatures import Signature, Tensor
from modelfiles import recognition
from modelfiles.inert_pickle import Inert, class_name, read_pickles
from modelfiles.zips import find, read_member
from modelformats.errors import InvalidModelError
from modelformats.format import model_file, reading
from modelformats.inert_tensors import content_of, tensors_in
from modelformats.torch_archives import byte_order, member_sizes
from modelformats.weights import Weight, counted, newer_types

DATA, CONSTANTS, VERSION = "data.pkl", "constants.pkl", "version"
PICKLE_LIMIT, CODE_LIMIT = 256 * 1024**2, 8 * 1024**2
SCALARS = {"int": "int64", "float": "float64", "bool": "bool", "str": "str"}
CLASS = re.compile(r"^class (\w+)\b", re.MULTILINE)
FORWARD = re.compile(r"^  def forward\(\w+: [\w.]+", re.MULTILINE)
LONGEST_ARGUMENTS, RETURNS = 64 * 1024, ") -> "
OPERATOR = re.compile(r"\b(?:torch|ops\.\w+)\.(\w+)\(")
NO_SHAPES = "TorchScript has names, and seldom types and shapes: declare them in ormbfile.yaml"


class TorchScript:
    """See `modelformats.format.Format`."""

    name = "TorchScript"

    def detect(self, directory: Path) -> bool:
        """Detect one zip with data.pkl and constants.pkl."""
        return len(recognition.TORCHSCRIPT.alike(directory)) == 1

    def validate(self, directory: Path) -> None:
        """Check for one such file."""
        model_file(recognition.TORCHSCRIPT, directory)

    def extract(self, directory: Path) -> Signature:
        """Return arguments and results of forward(), operators with the number of calls, and weights."""
        path = model_file(recognition.TORCHSCRIPT, directory)
        with reading(path, "TorchScript archive"), ZipFile(path) as archive:
            data = find(archive, DATA)
            if data is None:
                raise InvalidModelError(f"{path.name} has no {DATA}: save the model with torch.jit.save")
            constants = find(archive, CONSTANTS)
            frozen = _object(archive, constants) if constants else ()
            root, prefix = _object(archive, data), data.removesuffix(DATA)
            weights = _weights(archive, prefix, root, frozen)
            return _signature(root, weights, _Code(archive, prefix), byte_order(archive))


def _object(archive: ZipFile, member: str) -> Any:
    return read_pickles(io.BytesIO(read_member(archive, member, PICKLE_LIMIT)), 1)[0]


class _Code:
    """The texts of classes; each file is read once."""

    def __init__(self, archive: ZipFile, prefix: str) -> None:
        self._archive = archive
        self._prefix = prefix
        self._classes: dict[str, dict[str, str]] = {}
        self._left = CODE_LIMIT

    def class_text(self, qualified: str) -> str:
        """Return the text of a class such as __torch__.models.Net; empty if there is none."""
        module, _, name = qualified.rpartition(".")
        if module not in self._classes:
            self._classes[module] = self._read(f"{self._prefix}code/{module.replace('.', '/')}.py")
        return self._classes[module].get(name, "")

    def version(self) -> str | None:
        """Return the version of the archive's format."""
        return self._text(f"{self._prefix}{VERSION}").strip() or None

    def _read(self, member: str) -> dict[str, str]:
        text = self._text(member)
        begins = [(match.start(), match[1]) for match in CLASS.finditer(text)]
        ends = [start for start, _ in begins[1:]] + [len(text)]
        return {name: text[start:end] for (start, name), end in zip(begins, ends, strict=False)}

    def _text(self, member: str) -> str:
        if member not in self._archive.NameToInfo:
            return ""
        content = read_member(self._archive, member, self._left)
        self._left -= len(content)
        return content.decode()


def _weights(archive: ZipFile, prefix: str, root: Any, constants: Any) -> list[Weight]:
    """Return the weights. Freezing converts weights to constants. Both pickles number their storages from 0."""
    weights = list[Weight]()
    for directory, part in (("data", root), ("constants", constants)):
        sizes = member_sizes(archive, f"{prefix}{directory}/")
        weights += {tensor.storage: tensor.weight(sizes) for tensor in tensors_in(part)}.values()
    return weights


def _signature(root: Any, weights: list[Weight], code: _Code, order: str | None) -> Signature:
    arguments, result = _forward(code.class_text(class_name(root) or ""))
    unknown = {"framework_version": "the archive contains the version of its format, not that of PyTorch"}
    if arguments is None:
        unknown |= dict.fromkeys(("inputs", "outputs"), "the archive has no readable forward()")
    else:
        unknown |= dict.fromkeys(("inputs", "outputs"), NO_SHAPES)
    return Signature(
        inputs=tuple(_tensor(name, kind) for name, kind, default in arguments or () if not default),
        outputs=tuple(_tensor(f"output_{place}", kind) for place, kind in enumerate(_results(result))),
        operators=dict(sorted(_operators(root, code).items())),
        parameters=counted(weights),
        framework="PyTorch",
        details={
            "class": class_name(root),
            "archive_version": code.version(),
            "byte_order": order,
            "arguments": {name: kind + default for name, kind, default in arguments or ()},
        },
        unknown=unknown | newer_types(weights),
    )


def _forward(text: str) -> tuple[list[tuple[str, str, str]] | None, str]:
    """Return name, type and default of each argument of forward(), and its result type."""
    begin = FORWARD.search(text)
    header = _header(text[begin.end() : begin.end() + LONGEST_ARGUMENTS]) if begin else None
    if header is None:
        return None, ""
    arguments, result = header
    parts = [part.strip() for part in _split(arguments)]
    named = [part.partition(":") for part in parts if ":" in part]
    return [(name.strip(), *_typed(kind.strip())) for name, _, kind in named], result.strip()


def _header(text: str) -> tuple[str, str] | None:
    """Return arguments and result of a function. Its header ends with the first line of the form `…) -> …:`."""
    at = 0
    for line in text.split("\n"):
        arguments, arrow, result = line.partition(RETURNS)
        if arrow and result.endswith(":"):
            return text[:at] + arguments, result.removesuffix(":")
        at += len(line) + 1
    return None


def _typed(text: str) -> tuple[str, str]:
    kind, equals, default = text.partition("=")
    return kind.strip(), f" = {default.strip()}" if equals else ""


def _results(text: str) -> list[str]:
    """Return the result types: those of a tuple one by one."""
    if text.startswith("Tuple[") and text.endswith("]"):
        return [part.strip() for part in _split(text[6:-1]) if part.strip()]
    return [text] if text and text != "NoneType" else []


def _split(text: str) -> Iterator[str]:
    """Split at the commas that are not in brackets."""
    depth, begin = 0, 0
    for place, letter in enumerate(text):
        if letter in "[(":
            depth += 1
        elif letter in "])":
            depth -= 1
        elif letter == "," and depth == 0:
            yield text[begin:place]
            begin = place + 1
    yield text[begin:]


def _tensor(name: str, kind: str) -> Tensor:
    scalar = SCALARS.get(kind)
    return Tensor(name=name, dtype=scalar, shape=() if scalar else None)


def _operators(root: Any, code: _Code) -> Counter[str]:
    """Count the calls in the code of all modules; the code of each class is read once, for any number of modules."""
    calls: Counter[str] = Counter()
    for name, modules in _modules(root).items():
        for operator, count in Counter(OPERATOR.findall(code.class_text(name))).items():
            calls[operator] += modules * count
    return calls


def _modules(root: Any) -> Counter[str]:
    """Count the modules of each class."""
    waiting, seen, modules = [root], set[int](), Counter[str]()
    while waiting:
        value = waiting.pop()
        if id(value) in seen or not isinstance(value, Inert):
            continue
        seen.add(id(value))
        modules[class_name(value) or ""] += 1
        waiting.extend(inner for _, inner in content_of(value))
    return modules


TORCH_SCRIPT = TorchScript()
