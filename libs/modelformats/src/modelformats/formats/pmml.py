"""PMML 3 to 4.4 (dmg.org): the data dictionary, the mining schema and the output fields."""

from collections import Counter
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature, Tensor
from modelfiles import recognition
from modelformats.errors import InvalidModelError
from modelformats.format import model_file, reading
from modelformats.weights import unknown_tensors
from modelformats.xml_documents import parse_xml

ACTIVE, TARGETS = "active", {"predicted", "target"}
NO_VALUE = {"invalid", "missing"}
PROBABILITY_FEATURES = {"probability", "confidence", "affinity", "standardError"}

VALUE, REGRESSION = "predictedValue", "regression"
NO_OUTPUTS = {"outputs": "the document names neither outputs nor a target: outputs depend on the engine"}

DTYPES = {
    **dict.fromkeys(("string", "date", "time", "dateTime", "timeSeconds"), "str"),
    **{f"{unit}Since[{year}]": "str" for unit in ("dateDays", "dateTimeSeconds") for year in (0, 1960, 1970, 1980)},
    "integer": "int64",
    "float": "float32",
    "double": "float64",
    "boolean": "bool",
}
"""PMML dataType to numpy; dates and times are text."""


class Pmml:
    """See `modelformats.format.Format`."""

    name = "PMML"

    def detect(self, directory: Path) -> bool:
        """Detect a *.pmml file, or one file whose root element is PMML."""
        return recognition.PMML.is_followed(directory)

    def validate(self, directory: Path) -> None:
        """Check for one document."""
        model_file(recognition.PMML, directory)

    def extract(self, directory: Path) -> Signature:
        """Return active fields as inputs; output fields, and targets that none of these shows, as outputs."""
        path = model_file(recognition.PMML, directory)
        with reading(path, "PMML document"):
            return _signature(parse_xml(path, "PMML"))


def _signature(root: Any) -> Signature:
    models = list(dict.fromkeys(schema.getparent() for schema in root.iterdescendants("{*}MiningSchema")))
    if not models:
        raise InvalidModelError("the document contains no model: no element has a MiningSchema")
    fields = {field.get("name"): field for field in root.iterfind("{*}DataDictionary/{*}DataField")}
    usage = [(field.get("name"), field.get("usageType") or ACTIVE) for field in _mining_fields(models[0])]
    targets = [name for name, kind in usage if kind in TARGETS]
    function = models[0].get("functionName")
    declared = models[0].findall("{*}Output/{*}OutputField")
    outputs = [_output(element, fields, targets) for element in declared]
    if not any(_feature(element) == VALUE for element in declared):
        outputs += [_target(_field(name, fields), function) for name in targets]
    typed = [(name, field.get("dataType")) for name, field in fields.items() if name in dict(usage)]
    typed += [(element.get("name"), _output_type(element, fields, targets)) for element in declared]
    application = root.find("{*}Header/{*}Application")
    return Signature(
        inputs=tuple(_field(name, fields) for name, kind in usage if kind == ACTIVE),
        outputs=tuple(outputs),
        operators=dict(sorted(Counter(_local(model) for model in models).items())),
        framework=application.get("name") if application is not None else None,
        framework_version=application.get("version") if application is not None else None,
        details={"pmml_version": root.get("version"), "function": function},
        unknown={"parameters": "PMML contains rules and coefficients, not tensors"}
        | ({} if outputs else NO_OUTPUTS)
        | unknown_tensors(DTYPES, ((name, written) for name, written in typed if written)),
    )


def _mining_fields(model: Any) -> list[Any]:
    return list(_child(model, "MiningSchema").iterfind("{*}MiningField"))


def _field(name: str, fields: dict[str, Any]) -> Tensor:
    field = fields.get(name)
    if field is None:
        return Tensor(name=name, shape=(-1,))
    values = tuple(v.get("value") for v in field.iterfind("{*}Value") if v.get("property") not in NO_VALUE)
    return Tensor(
        name=name, dtype=_dtype(field.get("dataType")), shape=(-1,), op_type=field.get("optype"), values=values
    )


def _target(target: Tensor, function: str | None) -> Tensor:
    """Describe the prediction of a target; for an integer target it is not an integer."""
    return (
        target.model_copy(update={"dtype": "float64"}) if (function, target.dtype) == (REGRESSION, "int64") else target
    )


def _feature(element: Any) -> str:
    return str(element.get("feature") or VALUE)


def _output(element: Any, fields: dict[str, Any], targets: list[str]) -> Tensor:
    dtype = _dtype(_output_type(element, fields, targets))
    return Tensor(name=element.get("name"), dtype=dtype, shape=(-1,), op_type=element.get("optype"))


def _output_type(element: Any, fields: dict[str, Any], targets: list[str]) -> str | None:
    """Return the type of an output field. If it is undeclared, it is that of the target, or of a probability."""
    feature = _feature(element)
    declared = element.get("dataType")
    if declared is None and feature in PROBABILITY_FEATURES:
        declared = "double"
    shown = fields.get(element.get("targetField") or (targets[0] if targets else ""))
    if declared is None and shown is not None:
        declared = shown.get("dataType")
    return str(declared) if declared is not None else None


def _dtype(data_type: str | None) -> str | None:
    return DTYPES.get(data_type or "")


def _child(element: Any, name: str) -> Any:
    return element.find(f"{{*}}{name}")


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


PMML = Pmml()
