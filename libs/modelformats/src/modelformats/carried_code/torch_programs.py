"""PyTorch's archives: the calls in the code of TorchScript and in the graphs of exported programs.

TorchScript is read with the rules of its lexer: spaces, comments and new lines between the parts of a name have no
effect.
"""

import json
import re
from collections.abc import Iterator
from zipfile import ZipFile

from modelfiles.recognition import EXPORTED_GRAPH
from modelfiles.zips import read_member
from modelformats.formats.exported_program import JSON_LIMIT

from .finding import Carried, dangerous, untrusted

CODE = re.compile(r"(?:[^/]+/)?code/.+\.py")
MOST_CODE = 64 * 1024**2
WORD = re.compile(r"#[^\n]*|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[A-Za-z_]\w*|\.|\(", re.ASCII | re.DOTALL)
FILES = frozenset({"save", "from_file", "load"})
NAMESPACES = frozenset(
    {
        "aten",
        "prim",
        "prims",
        "quantized",
        "_quantized",
        "torchvision",
        "profiler",
        "sparse",
        "prepacked",
        "mkldnn_prepacked",
    }
)
CLASSES = frozenset({"quantized", "xnnpack", "mkldnn", "sparse"})
HIGHER = frozenset({"higher_order"})
TARGET = re.compile(
    r"torch\.ops\.(\w+)\.(\w+)(?:\.\w+)?|(?:_operator|math)\.\w+|torch\.sym_\w+|torch\._sym_\w+", re.ASCII
)
EXPRESSION = re.compile(r"[\w\s+\-*/%(),<>=!&|~.^]*", re.ASCII)
NAMES = re.compile(r"[A-Za-z_]\w*", re.ASCII)
NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)
SYMBOL = re.compile(r"[a-z]{1,4}\d+", re.ASCII)
WRITTEN = re.compile(r"Symbol\('[a-z]{1,4}\d+'(?:, [a-z_]+=(?:True|False))*\)", re.ASCII)
"""SymPy's notation of a symbol with its assumptions."""
WORDS = frozenset(
    {
        *(
            "Max",
            "Min",
            "Mod",
            "FloorDiv",
            "PythonMod",
            "Where",
            "Ne",
            "Eq",
            "Lt",
            "Le",
            "Gt",
            "Ge",
            "And",
            "Or",
            "Not",
        ),
        *(
            "ModularIndexing",
            "CleanDiv",
            "CeilDiv",
            "IntTrueDiv",
            "FloatTrueDiv",
            "PowByNatural",
            "FloatPow",
            "Abs",
            "Pow",
        ),
        *("CeilToInt", "FloorToInt", "TruncToInt", "RoundToInt", "RoundDecimal", "ToFloat", "TruncToFloat", "Identity"),
        *(
            "Add",
            "Mul",
            "Integer",
            "Float",
            "Rational",
            "Symbol",
            "oo",
            "zoo",
            "int_oo",
            "True",
            "False",
            "RShift",
            "LShift",
        ),
        *(
            "floor",
            "ceiling",
            "sqrt",
            "OpaqueUnaryFn_sqrt",
            "BitwiseFn_bitwise_and",
            "BitwiseFn_bitwise_or",
            "Piecewise",
        ),
    }
)
"""Words that PyTorch writes in the sizes of tensors, which SymPy passes to Python's `eval`."""


def code_of_torchscript(archive: ZipFile) -> Iterator[Carried]:
    """Yield calls in the code of a TorchScript archive other than operators of tensors.

    Raises ValueError beyond limits.
    """
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
    words = [word for word in WORD.findall(text) if word[0] not in "#'\""]
    for place, root in enumerate(words):
        if root not in ROOTS or words[place + 1 : place + 2] != ["."]:
            continue
        names = [name for name in words[place + 2 : place + 6 : 2] if name not in ".("]
        if names:
            yield from ROOTS[root](names[0], names[1] if len(names) > 1 else "")


def _torch_function(name: str, _next: str) -> Iterator[Carried]:
    if name in FILES:
        yield dangerous("torch", name, f"its code calls torch.{name}, which opens the file that it names")


def _custom_class(name: str, _next: str) -> Iterator[Carried]:
    if name not in CLASSES:
        yield untrusted("torch.classes", name, f"it contains objects of torch.classes.{name}, an extension")


def _operator(namespace: str, name: str) -> Iterator[Carried]:
    what = f"torch.ops.{namespace}"
    if namespace not in NAMESPACES | HIGHER:
        yield untrusted(what, name or "_", f"it calls {what}.{name}, an operator of an extension")
    elif name in FILES:
        yield dangerous(what, name, f"it calls {what}.{name}, which opens the file that it names")


ROOTS = {"torch": _torch_function, "ops": _operator, "classes": _custom_class}
"""First parts of dotted names outside the archive."""


def code_of_exported_program(archive: ZipFile) -> Iterator[Carried]:
    """Yield calls of an exported program, when it is loaded or run, other than operators of tensors.

    Raises ValueError, RecursionError if it is not such a program.
    """
    seen = set[Carried]()
    for name in archive.namelist():
        if EXPORTED_GRAPH.fullmatch(name):
            for carried in _in_graph(json.loads(read_member(archive, name, JSON_LIMIT))):
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
    match = TARGET.fullmatch(target) if isinstance(target, str) else None
    if match is None:
        yield dangerous("torch", "target", f"a node calls {target!r:.80}, which is not an operator")
    elif match[1]:
        yield from _operator(match[1], match[2])


def _expression(text: str) -> Iterator[Carried]:
    """Check an expression that Python runs: only numbers, sizes and the functions that PyTorch writes are allowed."""
    text = WRITTEN.sub("s0", text)
    without = NUMBER.sub("0", NAMES.sub(lambda name: name[0] if _is_word(name[0]) else "?", text))
    if len(text) > 10_000 or not EXPRESSION.fullmatch(text) or "?" in without or "." in without:  # noqa: PLR2004
        yield dangerous("torch", "expr_str", f"the size of a tensor is {text!r:.80}, which Python would run")


def _is_word(name: str) -> bool:
    return name in WORDS or SYMBOL.fullmatch(name) is not None
