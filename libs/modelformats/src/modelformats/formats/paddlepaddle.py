"""PaddlePaddle inference models: a program (.pdmodel, or .json of PIR, the format since 3.0) and its .pdiparams.

Field numbers follow paddle/fluid/framework/framework.proto; PIR's JSON is that of
paddle/fluid/pir/serialize_deserialize.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature, Tensor
from modelfiles.protobuf.messages import Messages
from modelfiles.protobuf.skimming import Schema
from modelformats.errors import InvalidModelError
from modelformats.format import files_matching, head, only_candidate, reading, single_file
from modelformats.weights import Weight, counted, named_type, newer_types, unknown_elements

PROGRAM, PIR, PARAMS = "*.pdmodel", "*.json", "*.pdiparams"
SNIFF, PIR_LIMIT = 256, 64 * 1024**2
PIR_MAGIC = b'"magic":"pir"'
MESSAGES: Messages = {
    "Program": (("blocks", 1, "*Block"), ("version", 4, "Version")),
    "Version": (("number", 1, "int64"),),
    "Block": (("variables", 3, "*Variable"), ("operators", 4, "*Operator")),
    "Variable": (("name", 1, "string"), ("type", 2, "Type"), ("persistable", 3, "bool")),
    "Type": (("kind", 1, "int32"), ("rows", 2, "Described"), ("dense", 3, "Dense")),
    "Dense": (("tensor", 1, "Described"),),
    "Described": (("dtype", 1, "int32"), ("dims", 2, "*int64")),
    "Operator": (
        ("inputs", 1, "*Slot"),
        ("outputs", 2, "*Slot"),
        ("type", 3, "string"),
        ("attributes", 4, "*Attribute"),
    ),
    "Slot": (("name", 1, "string"), ("arguments", 2, "*string")),
    "Attribute": (("name", 1, "string"), ("number", 3, "int32")),
}
DENSE, ROWS = 7, 8
"""Kinds of variables that contain a tensor; tables of embeddings may contain only some of their rows."""
DTYPES = {
    0: "bool",
    1: "int16",
    2: "int32",
    3: "int64",
    4: "float16",
    5: "float32",
    6: "float64",
    20: "uint8",
    21: "int8",
    22: "bfloat16",
    23: "complex64",
    24: "complex128",
    25: "str",
    32: "float8_e4m3fn",
    33: "float8_e5m2",
    36: "uint16",
    37: "uint32",
    38: "uint64",
}
PIR_DTYPES = {
    "bool": "bool",
    "i8": "int8",
    "ui8": "uint8",
    **{f"{sign}i{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (16, 32, 64)},
    "f8e4m3fn": "float8_e4m3fn",
    "f8e5m2": "float8_e5m2",
    "f16": "float16",
    "bf16": "bfloat16",
    "f32": "float32",
    "f64": "float64",
    "c64": "complex64",
    "c128": "complex128",
}
FEEDS, FETCH, COLUMN = ("feed", "data"), "fetch", "col"
PIR_PARAMETER = "p"
NOT_DENSE = "not a dense tensor"

_SCHEMA = Schema("klever.paddlepaddle", MESSAGES, "Program")


class PaddlePaddle:
    """See `modelformats.format.Format`."""

    name = "PaddlePaddle"

    def detect(self, directory: Path) -> bool:
        """Detect a *.pdmodel file, or one JSON file that declares PIR."""
        return bool(files_matching(directory, PROGRAM)) or len(_pir_files(directory)) == 1

    def validate(self, directory: Path) -> None:
        """Check for one program and one *.pdiparams file."""
        _program(directory)
        single_file(directory, PARAMS)

    def extract(self, directory: Path) -> Signature:
        """Return feeds, fetches, and operators of all blocks."""
        self.validate(directory)
        path = _program(directory)
        with reading(path, "PaddlePaddle program"):
            return _pir_signature(path) if _is_pir(path) else _program_signature(path)


def _pir_files(directory: Path) -> list[Path]:
    return [path for path in files_matching(directory, PIR) if _is_pir(path)]


def _is_pir(path: Path) -> bool:
    return PIR_MAGIC in b"".join(head(path, SNIFF).split())


def _program(directory: Path) -> Path:
    candidates = [*files_matching(directory, PROGRAM), *_pir_files(directory)]
    return only_candidate(candidates, f"{PROGRAM}, or {PIR} of PIR")


def _program_signature(path: Path) -> Signature:
    program = _SCHEMA.read(path)
    if not program.blocks:
        raise InvalidModelError(f"{path.name} has no blocks: it is empty or not a PaddlePaddle program")
    main = program.blocks[0]
    variables = {variable.name: variable for variable in main.variables}
    fed = [(_column(op), name) for op in main.operators if op.type == "feed" for name in _arguments(op.outputs)]
    fetched = [(_column(op), name) for op in main.operators if op.type == FETCH for name in _arguments(op.inputs)]
    kept = [v.type for block in program.blocks for v in block.variables if v.persistable]
    described = [each.dense.tensor if each.kind == DENSE else each.rows for each in kept if each.kind in {DENSE, ROWS}]
    weights = [Weight(named_type(DTYPES, tensor.dtype), tensor.dims) for tensor in described]
    operators = Counter(op.type for block in program.blocks for op in block.operators)
    inputs = tuple(_tensor(name, variables) for _, name in sorted(fed))
    outputs = tuple(_tensor(name, variables) for _, name in sorted(fetched))
    return Signature(
        inputs=inputs,
        outputs=outputs,
        operators={name: operators[name] for name in sorted(operators) if name not in {"feed", FETCH}},
        parameters=counted(weights),
        framework="PaddlePaddle",
        framework_version=_version(program.version.number),
        details={"program": "ProgramDesc", "blocks": len(program.blocks)},
        unknown=_unknown(inputs, outputs, _dense_types(variables)) | newer_types(weights),
    )


def _column(operator: Any) -> int:
    """Return the index of the input or output."""
    return next((int(attribute.number) for attribute in operator.attributes if attribute.name == COLUMN), 0)


def _arguments(slots: Any) -> list[str]:
    return [argument for slot in slots for argument in slot.arguments]


def _tensor(name: str, variables: dict[str, Any]) -> Tensor:
    variable = variables.get(name)
    if variable is None or variable.type.kind != DENSE:
        return Tensor(name=name)
    tensor = variable.type.dense.tensor
    return Tensor(name=name, dtype=DTYPES.get(tensor.dtype), shape=tuple(tensor.dims))


def _dense_types(variables: dict[str, Any]) -> dict[str, int]:
    return {name: v.type.dense.tensor.dtype for name, v in variables.items() if v.type.kind == DENSE}


def _version(number: int) -> str | None:
    """Return the version: 2005002 is 2.5.2; builds between releases have 0."""
    return f"{number // 10**6}.{number // 1000 % 1000}.{number % 1000}" if number > 0 else None


def _pir_signature(path: Path) -> Signature:
    with path.open("rb") as file:
        content = file.read(PIR_LIMIT + 1)
    if len(content) > PIR_LIMIT:
        raise InvalidModelError(f"{path.name} is longer than {PIR_LIMIT} bytes")
    document = json.loads(content)
    operators = list(_pir_operators(document["program"]["regions"]))
    if not operators:
        raise InvalidModelError(f"{path.name} has no operators: it is JSON, but not a program of PaddlePaddle")
    named = [(_bare(op["#"]), op) for op in operators]
    counts = Counter(name for name, _ in named if name not in {*FEEDS, FETCH, PIR_PARAMETER})
    weights = [_pir_weight(op["O"]) for name, op in named if name == PIR_PARAMETER]
    inputs = tuple(_pir_tensor(_pir_name(op), op["O"]) for name, op in named if name in FEEDS)
    outputs = tuple(_pir_tensor(_pir_name(op), op["O"]) for name, op in named if name == FETCH)
    ends = {_pir_name(op): _pir_type(op["O"]) for name, op in named if name in {*FEEDS, FETCH}}
    dense = {name: written for name, (written, shape) in ends.items() if shape is not None}
    return Signature(
        inputs=inputs,
        outputs=outputs,
        operators=dict(sorted(counts.items())),
        parameters=counted(weights),
        framework="PaddlePaddle",
        details={"program": "PIR", "pir_version": int(document["base_code"]["version"])},
        unknown=_unknown(inputs, outputs, dense)
        | {"framework_version": "programs of PIR do not name the version that wrote them"}
        | newer_types(weights),
    )


def _pir_operators(regions: list[Any]) -> Iterator[Any]:
    """Yield operators at any depth of the JSON, since branches and loops contain regions."""
    for region in regions:
        for block in region["blocks"]:
            for operator in block["ops"]:
                yield operator
                yield from _pir_operators(operator.get("regions", []))


def _bare(name: str) -> str:
    """Return the name without the number of the dialect: `1.matmul`."""
    return name.rpartition(".")[2]


def _pir_name(operator: Any) -> str:
    return next(str(entry["AT"]["D"]) for entry in operator["A"] if entry["N"] == "name")


def _pir_tensor(name: str, results: Any) -> Tensor:
    written, shape = _pir_type(results)
    return Tensor(name=name, dtype=PIR_DTYPES.get(written) if shape is not None else None, shape=shape)


def _pir_weight(results: Any) -> Weight:
    written, shape = _pir_type(results)
    return Weight(named_type(PIR_DTYPES, written), shape or ())


def _pir_type(results: Any) -> tuple[str, tuple[int, ...] | None]:
    """Return type and shape of a result, single or in a list; the shape is None if it is not a dense tensor."""
    kind = (results[0] if isinstance(results, list) else results)["TT"]
    if not kind["#"].endswith("t_dtensor"):
        return str(kind["#"]), None
    element, sizes = kind["D"][:2]
    return _bare(element["#"]).removeprefix("t_"), tuple(int(size) for size in sizes)


def _unknown(inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], dense: Mapping[str, int | str]) -> dict[str, str]:
    """Return the reasons why parts are unknown, by the written types of dense tensors."""
    unknown = {"inputs": "the program feeds nothing: it was not saved for inference"} if not inputs else {}
    if not outputs:
        unknown["outputs"] = "the program fetches nothing: it was not saved for inference"
    untyped = [tensor.name for tensor in (*inputs, *outputs) if tensor.dtype is None]
    return unknown | {name: unknown_elements(dense[name]) if name in dense else NOT_DENSE for name in untyped}


PADDLE_PADDLE = PaddlePaddle()
