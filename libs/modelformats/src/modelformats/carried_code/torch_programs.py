"""PyTorch's archives: what the code of TorchScript and the graphs of exported programs call.

TorchScript is read as its own lexer does: spaces, comments and new lines between the parts of a name change nothing.
"""

import json
import re
from collections.abc import Iterator
from zipfile import ZipFile

from modelformats.zips import read_member

from .finding import Carried, dangerous, untrusted

CODE = re.compile(r"(?:[^/]+/)?code/.+\.py")
GRAPH = re.compile(r"(?:[^/]+/)?(?:models/[^/]+\.json|serialized_exported_program\.json)")
MOST_CODE, MOST_JSON = 64 * 1024**2, 128 * 1024**2
TOKEN = re.compile(r"#[^\n]*|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[A-Za-z_]\w*|\.|\(", re.ASCII | re.DOTALL)
FILES = frozenset({"save", "from_file", "load"})
NAMESPACES = frozenset(
    {"aten", "prim", "prims", "quantized", "_quantized", "torchvision", "profiler", "sparse", "prepacked", "mkldnn_prepacked"}
)
CLASSES = frozenset({"quantized", "xnnpack", "mkldnn", "sparse"})
HIGHER = frozenset({"higher_order"})
TARGET = re.compile(r"torch\.ops\.(\w+)\.(\w+)(?:\.\w+)?|(?:_operator|math)\.\w+|torch\.sym_\w+|torch\._sym_\w+", re.ASCII)
EXPRESSION = re.compile(r"[\w\s+\-*/%(),<>=!&|~.^]*", re.ASCII)
NAMES = re.compile(r"[A-Za-z_]\w*", re.ASCII)
NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)
SYMBOL = re.compile(r"[a-z]{1,2}\d+", re.ASCII)
WORDS = frozenset(
    {
        *("Max", "Min", "Mod", "FloorDiv", "PythonMod", "Where", "Ne", "Eq", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not"),
        *("ModularIndexing", "CleanDiv", "CeilDiv", "IntTrueDiv", "FloatTrueDiv", "PowByNatural", "FloatPow", "Abs", "Pow"),
        *("CeilToInt", "FloorToInt", "TruncToInt", "RoundToInt", "RoundDecimal", "ToFloat", "TruncToFloat", "Identity"),
        *("Add", "Mul", "Integer", "Float", "Rational", "Symbol", "oo", "zoo", "int_oo", "True", "False", "RShift", "LShift"),
        *("floor", "ceiling", "sqrt", "OpaqueUnaryFn_sqrt", "BitwiseFn_bitwise_and", "BitwiseFn_bitwise_or", "Piecewise"),
    }
)
"""What PyTorch writes in the sizes of tensors, which it gives to SymPy, and SymPy to Python's `eval`."""


def code_of_torchscript(archive: ZipFile) -> Iterator[Carried]:
    """What the code of a TorchScript archive calls besides operators of tensors. Raises ValueError beyond the limits."""
    left = MOST_CODE
    seen = set[Carried]()
    for name in archive.namelist():
        if not CODE.fullmatch(name):
            continue
        content = read_member(archive, name, left)
        left -= len(content)
        for carried in _in_script(content.decode(errors="replace")):
            if carried not in seen:
                seen.add(carried)
                yield carried


def _in_script(text: str) -> Iterator[Carried]:
    tokens = [token for token in TOKEN.findall(text) if token[0] not in "#'\""]
    for place, token in enumerate(tokens):
        if token not in {"torch", "ops", "classes"} or tokens[place + 1 : place + 2] != ["."]:
            continue
        names = [name for name in tokens[place + 2 : place + 6 : 2] if name not in ".("]
        if token == "torch" and names[:1] and names[0] in FILES:
            yield dangerous("torch", names[0], f"its code calls torch.{names[0]}, which opens the file that it names")
        elif token == "ops" and names:
            yield from _operator(names[0], names[1] if len(names) > 1 else "")
        elif token == "classes" and names and names[0] not in CLASSES:
            yield untrusted("torch.classes", names[0], f"it holds objects of torch.classes.{names[0]}, an extension")


def _operator(namespace: str, name: str) -> Iterator[Carried]:
    what = f"torch.ops.{namespace}"
    if namespace not in NAMESPACES | HIGHER:
        yield untrusted(what, name or "_", f"it calls {what}.{name}, an operator of an extension")
    elif name in FILES:
        yield dangerous(what, name, f"it calls {what}.{name}, which opens the file that it names")


def code_of_exported_program(archive: ZipFile) -> Iterator[Carried]:
    """What loading or running an exported program calls besides operators of tensors.

    Raises ValueError, RecursionError for what is no such program.
    """
    seen = set[Carried]()
    for name in archive.namelist():
        if GRAPH.fullmatch(name):
            for carried in _in_graph(json.loads(read_member(archive, name, MOST_JSON))):
                if carried not in seen:
                    seen.add(carried)
                    yield carried


def _in_graph(program: object) -> Iterator[Carried]:
    waiting = [program]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        if not isinstance(value, dict):
            continue
        waiting.extend(value.values())
        if "target" in value and ("inputs" in value or "outputs" in value):
            yield from _target(value["target"])
        for key in ("expr_str", "as_expr"):
            if isinstance(value.get(key), str):
                yield from _expression(value[key])


def _target(target: object) -> Iterator[Carried]:
    found = TARGET.fullmatch(target) if isinstance(target, str) else None
    if found is None:
        yield dangerous("torch", "target", f"a node calls {target!r:.80}, which is no operator")
    elif found[1]:
        yield from _operator(found[1], found[2])


def _expression(text: str) -> Iterator[Carried]:
    """Python runs it: it may hold numbers, sizes and the functions that PyTorch writes, nothing else."""
    without = NUMBER.sub("0", NAMES.sub(lambda name: name[0] if _is_word(name[0]) else "?", text))
    if len(text) > 10_000 or not EXPRESSION.fullmatch(text) or "?" in without or "." in without:  # noqa: PLR2004
        yield dangerous("torch", "expr_str", f"the size of a tensor is {text!r:.80}, which Python would run")


def _is_word(name: str) -> bool:
    return name in WORDS or SYMBOL.fullmatch(name) is not None
