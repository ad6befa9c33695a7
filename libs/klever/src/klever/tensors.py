"""Creates requests of the Open Inference Protocol (V2) from a person's input, and formats responses; pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from .errors import InputError
from .values import Table

Json = Any


def infer_request(values: Mapping[str, Json], metadata: Mapping[str, Json]) -> dict[str, Json]:
    """Return the body of an infer request.

    Args:
        values: input name to nested lists, a NumPy array, a Table, a Picture, or one number or string. An empty name is
            for values that name their inputs: a dictionary, a table with headings, a complete request of the protocol,
            or a value for the only other input.
        metadata: the model's metadata from the server: input names, datatypes, shapes.

    Raises:
        InputError: an input is missing, unknown, ragged, or does not fit the model's shape.
    """
    declared = {tensor["name"]: tensor for tensor in metadata["inputs"]}
    if set(values) == {""} and _is_request(values[""], declared):
        return dict(values[""])
    values = _named(values, declared)
    if unknown := sorted(set(values) - set(declared)):
        raise InputError(f"the model has no input {', '.join(unknown)}; its inputs are {_listed(declared)}")
    if missing := sorted(set(declared) - set(values)):
        raise InputError(f"input {', '.join(missing)} is missing: add it with --input {missing[0]}=<values>")
    return {"inputs": [_tensor(declared[name], value) for name, value in values.items()]}


def _is_request(value: Json, declared: Mapping[str, Json]) -> bool:
    """Return whether the value is a complete request, and not a value for an input of that name."""
    tensors = value.get("inputs") if isinstance(value, dict) and "inputs" not in declared else None
    return isinstance(tensors, list) and all(isinstance(each, dict) and "data" in each for each in tensors)


def _named(values: Mapping[str, Json], declared: Mapping[str, Json]) -> dict[str, Json]:
    """Return values by input, including values without a name."""
    named = {name: value for name, value in values.items() if name}
    if "" not in values:
        return named
    value, open_inputs = values[""], [name for name in declared if name not in named]
    if isinstance(value, dict):
        return named | value
    if isinstance(value, Table) and value.header and set(open_inputs) <= set(value.header):
        return named | {name: Table((), tuple((cell,) for cell in value.column(name))) for name in open_inputs}
    if len(open_inputs) != 1:
        raise InputError(f"the model has inputs {_listed(declared)}: select one with --input <name>=@<file>")
    return named | {open_inputs[0]: value}


def _plain(declared: Mapping[str, Json], value: Json) -> Json:
    """Return nested lists with values of the input's datatype."""
    name, datatype, shape = declared["name"], declared["datatype"], list(declared["shape"])
    if isinstance(value, Table):
        rows = [[_cell(name, datatype, cell) for cell in row] for row in value.rows]
        return [row[0] for row in rows] if len(shape) == 1 else rows
    if hasattr(value, "fitted"):
        return value.fitted(name, datatype, shape)
    return value.tolist() if hasattr(value, "tolist") else value  # arrays and scalars of NumPy, without importing it


def _cell(name: str, datatype: str, text: str) -> Json:
    if datatype == "BYTES":
        return text
    try:
        if datatype.startswith("FP"):
            return float(text) if text else None  # null is a missing value
        return text.lower() in {"true", "1"} if datatype == "BOOL" else int(text)
    except ValueError as error:
        raise InputError(f"input {name} is {datatype}, and {text!r} in the table is not") from error


def _tensor(declared: Mapping[str, Json], value: Json) -> dict[str, Json]:
    value = _plain(declared, value)
    name, shape = declared["name"], list(_shape(declared["name"], value))
    expected = list(declared["shape"])
    while len(shape) < len(expected):  # a single row may be written without the brackets of the batch
        shape.insert(0, 1)
    # A model server also reports [] if it does not know the rank; then any shape is accepted.
    if expected and (
        len(shape) != len(expected) or any(w not in {-1, s} for w, s in zip(expected, shape, strict=True))
    ):
        raise InputError(f"input {name} has shape {shape}, the model requires {expected} (-1 is any size)")
    return {"name": name, "shape": shape, "datatype": declared["datatype"], "data": list(_flat(value))}


def _shape(name: str, value: Json) -> Iterator[int]:
    if not isinstance(value, list):
        return
    yield len(value)
    inner = [tuple(_shape(name, item)) for item in value]
    if len(set(inner)) > 1:
        raise InputError(f"input {name} is ragged: its rows have different lengths")
    yield from inner[0] if inner else ()


def _flat(value: Json) -> Iterator[Json]:
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    else:
        yield value


def rows(tensor: Mapping[str, Json]) -> list[Json]:
    """Return the values of an output, one entry for each row of the batch."""
    data, shape = list(_flat(tensor["data"])), tensor["shape"]
    if len(shape) <= 1:
        return data
    width = max(1, len(data) // max(1, shape[0]))
    return [data[start : start + width] for start in range(0, len(data), width)]


def _listed(declared: Mapping[str, Mapping[str, Json]]) -> str:
    return ", ".join(f"{name} ({tensor['datatype']} {tensor['shape']})" for name, tensor in declared.items())
