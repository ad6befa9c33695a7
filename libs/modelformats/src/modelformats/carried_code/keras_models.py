"""Keras configurations: layers that are code, objects of other modules, and names of files.

Interprets configurations like `keras.saving` and its predecessors in TensorFlow: versions 2 and 3 look up classes by
`module`, run the bytecode of Lambda layers, and some layers read the files that they name.
"""

import re
import sys
from collections.abc import Iterator
from typing import Any

from .finding import Carried, dangerous, untrusted
from .tensorflow_operators import operator_of

KERAS = {"keras", "tf_keras", "tensorflow"}
PARTS = re.compile(
    r"(?:tf_)?keras(?:\.src)?(?:\.(?:layers|models|activations|initializers|losses|metrics|optimizers|regularizers|constraints"
    r"|dtype_policies|quantizers|random|ops|backend|engine|mixed_precision|legacy)(?:\.\w+)*)?",
    re.ASCII,
)
"""Parts of Keras that contain only layers and functions of tensors."""
FUNCTIONS = re.compile(
    r"(?:tf_)?keras(?:\.src)?\.(?:activations|initializers|losses|metrics|regularizers|constraints|ops)(?:\.\w+)*",
    re.ASCII,
)
LAMBDAS = {"Lambda", "__lambda__"}
SYMBOLS = {"TFOpLambda", "SlicingOpLambda"}
PLAIN_SYMBOL = re.compile(
    r"(?:math|nn|linalg|signal|image|strings|sparse|ragged|bitwise|dtypes|random|__operators__)?\.?\w+", re.ASCII
)
NO_PLAIN_SYMBOLS = {
    "py_function",
    "numpy_function",
    "py_func",
    "io",
    "raw_ops",
    "load_library",
    "load_op_library",
    "print",
}
FILES = ("vocabulary", "idf_weights")
"""Arguments of lookup layers that are names of files if they are text."""


def code_of_config(config: Any) -> Iterator[Carried]:
    """Yield the code that loading a model with this configuration would run. It is parsed JSON of limited depth."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from _code_of_object(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _code_of_object(value: dict[str, Any]) -> Iterator[Carried]:
    kind, inner = value.get("class_name"), value.get("config")
    if kind in LAMBDAS:
        yield dangerous("keras.layers", "Lambda", "a Lambda layer contains Python bytecode, which runs on loading")
    if kind in SYMBOLS and isinstance(inner, dict):
        yield from _symbol(inner.get("function"))
    if isinstance(value.get("node_def"), str | dict):
        yield from _node(value["node_def"])
    if any(isinstance(value.get(key), str) for key in FILES):
        yield dangerous("keras.layers", "vocabulary", "a layer reads the file that the configuration names")
    if kind is not None and "module" in value:
        yield from _module(value["module"], kind, inner)
    registered = value.get("registered_name")
    if isinstance(registered, str) and ">" in registered and registered.partition(">")[0] not in KERAS:
        package, _, name = registered.rpartition(">")
        yield untrusted(
            _plain(package), _plain(name), f"an object is of the class {registered!r:.80}, registered elsewhere"
        )


def _module(module: Any, kind: Any, inner: Any) -> Iterator[Carried]:
    if module is None or (
        module == "builtins" and kind in {"dict", "list", "tuple", "set", "str", "int", "float", "bool"}
    ):
        return
    is_function = kind == "function" or not isinstance(inner, dict)
    name = inner if kind == "function" and isinstance(inner, str) else kind
    if isinstance(module, str) and (FUNCTIONS if is_function else PARTS).fullmatch(module):
        return
    root = str(module).partition(".")[0]
    reason = f"the configuration names {name!r:.80} of the module {module!r:.80}"
    make = dangerous if root in KERAS or root in sys.stdlib_module_names else untrusted
    yield make(_plain(module), _plain(name), reason)


def _symbol(name: Any) -> Iterator[Carried]:
    parts = set(str(name).split("."))
    if not isinstance(name, str) or not PLAIN_SYMBOL.fullmatch(name) or parts & NO_PLAIN_SYMBOLS:
        yield dangerous(
            "tensorflow", _plain(name), f"a layer calls {name!r:.80} of TensorFlow, which is not a plain operation"
        )


def _node(node: Any) -> Iterator[Carried]:
    """Yield operators that layers of TensorFlow 2.3 contain as JSON, or as JSON inside a text."""
    match = re.search(r'"?op"?\s*:\s*"(\w+)"', node) if isinstance(node, str) else None
    name = match[1] if match else node.get("op") if isinstance(node, dict) else None
    if isinstance(name, str) and (carried := operator_of(name)) is not None:
        yield carried


def _plain(text: Any) -> str:
    return re.sub(r"[^\w.]", "_", str(text))[:100] or "_"
