"""The Serving document, the same for one machine and for a cluster."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self, TypedDict, Unpack, cast

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from .base import StrictWireModel
from .following import ServingPolicy
from .percents import apportion
from .references import DnsLabel
from .strategies import Rolling, Strategy
from .traffic import Retries, Timeouts, Traffic
from .variants import Variant

ALL = 100
"""Percent."""


class ServingSpecChanges(TypedDict, total=False):
    """Fields of ServingSpec that can be replaced."""

    variants: tuple[Variant, ...]
    traffic: Traffic
    strategy: Strategy
    policy: ServingPolicy


class ServingSpec(StrictWireModel):
    """The desired state of a serving. All its errors are reported together, each with its field."""

    variants: Annotated[tuple[Variant, ...], Field(min_length=1, max_length=10)]
    traffic: Traffic = Traffic()
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    strategy: Strategy = Rolling()
    policy: ServingPolicy = ServingPolicy()

    @model_validator(mode="wrap")
    @classmethod
    def _fits_together(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Validate the fields, then their consistency, as far as invalid fields permit."""
        value = _with_weights(value)
        details: list[InitErrorDetails] = []
        spec: Self | None = None
        try:
            spec = handler(value)
        except ValidationError as error:
            details = [_as_detail(cast("dict[str, Any]", each)) for each in error.errors()]
        plain = spec.model_dump(by_alias=True) if spec is not None else value
        if isinstance(plain, dict):
            details += [_detail(place, message, plain) for place, message in _misfits(plain)]
        if details or spec is None:
            raise ValidationError.from_exception_data(cls.__name__, details)
        return spec

    def replace(self, **changes: Unpack[ServingSpecChanges]) -> Self:
        """Return a copy with other values for some fields, without checking their consistency."""
        return self.model_copy(update=changes)


class Metadata(StrictWireModel):
    """Name and namespace of a serving."""

    name: DnsLabel
    namespace: DnsLabel = "default"


class ServingManifest(StrictWireModel):
    """A serving as a file for `klever apply`."""

    api_version: Literal["klever.dev/v1alpha1"] = "klever.dev/v1alpha1"
    kind: Literal["Serving"] = "Serving"
    metadata: Metadata
    spec: ServingSpec


Place = tuple[str | int, ...]


def _with_weights(spec: Any) -> Any:
    """Return the spec with all traffic for the only variant, if it has no weights."""
    if not isinstance(spec, dict):
        return spec
    variants, traffic = _list(spec.get("variants")), spec.get("traffic", {})
    names = [each.get("name") if isinstance(each, dict) else getattr(each, "name", None) for each in variants]
    name = names[0] if len(names) == 1 else None
    if not isinstance(name, str) or not isinstance(traffic, dict) or "weights" in traffic:
        return spec
    return {**spec, "traffic": {**traffic, "weights": {name: ALL}}}


def _misfits(spec: dict[str, Any]) -> Iterator[tuple[Place, str]]:
    """Yield the inconsistencies between valid fields, as place and message."""
    variants = [each for each in _list(spec.get("variants")) if isinstance(each, dict)]
    names = [each["name"] for each in variants if isinstance(each.get("name"), str)]
    yield from _same_names(names)
    traffic = spec.get("traffic", {})
    if isinstance(traffic, dict):
        yield from _weights(traffic.get("weights", {}), names)
        yield from _unknown_variants(traffic, set(names))


def _same_names(names: list[str]) -> Iterator[tuple[Place, str]]:
    for name, count in Counter(names).items():
        if count > 1:
            yield ("variants",), f"{count} variants have the name {name}"


def _weights(weights: Any, names: list[str]) -> Iterator[tuple[Place, str]]:
    if not isinstance(weights, dict):
        return
    for name in sorted(set(map(str, weights)) - set(names)):
        yield ("traffic", "weights", name), _no_variant(name, names)
    if not weights:
        yield from _no_weights(names)
        return
    numbers = [weight for weight in weights.values() if isinstance(weight, int)]
    if len(numbers) == len(weights) and sum(numbers) != ALL:
        yield ("traffic", "weights"), f"the weights sum to {sum(numbers)}, not {ALL}"


def _no_weights(names: list[str]) -> Iterator[tuple[Place, str]]:
    if names:
        example = ", ".join(f"{name}: {percent}" for name, percent in apportion(ALL, dict.fromkeys(names, 1)).items())
        yield ("traffic", "weights"), f"say what percent each variant gets, such as {{{example}}}"


def _unknown_variants(traffic: dict[str, Any], names: set[str]) -> Iterator[tuple[Place, str]]:
    named: list[tuple[Place, Any]] = [(("rules", i, "variant"), r) for i, r in enumerate(_list(traffic.get("rules")))]
    named.append((("mirror", "variant"), traffic.get("mirror")))
    for place, part in named:
        if isinstance(part, dict) and isinstance(name := part.get("variant"), str) and name not in names:
            yield ("traffic", *place), _no_variant(name, sorted(names))


def _no_variant(name: str, names: list[str]) -> str:
    return f"there is no variant {name}; there are {', '.join(names) or 'none'}"


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _detail(place: Place, message: str, spec: dict[str, Any]) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("misfit", "{why}", {"why": message}), loc=place, input=spec)


def _as_detail(error: dict[str, Any]) -> InitErrorDetails:
    context = {name: value for name, value in error.get("ctx", {}).items() if not isinstance(value, Exception)}
    kind = PydanticCustomError(error["type"], "{why}", {**context, "why": error["msg"]})
    return InitErrorDetails(type=kind, loc=error["loc"], input=error["input"])
