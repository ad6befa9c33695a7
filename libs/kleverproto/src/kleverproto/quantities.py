"""Kubernetes quantities: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/."""

import re

_QUANTITY = re.compile(r"^([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$")
_FACTORS = {"": 1.0, "m": 0.001} | {
    prefix + binary: (1024.0 if binary else 1000.0) ** power
    for binary in ("", "i")
    for power, prefix in enumerate(("k" if not binary else "K", "M", "G", "T", "P"), start=1)
}


def cores_of(text: str) -> float:
    """Parse a quantity of cores, such as `500m`. Raises ValueError if it is invalid or zero."""
    return _positive(text, "cores, such as 500m or 2")


def bytes_of(text: str) -> int:
    """Parse a quantity of bytes, such as `512Mi`. Raises ValueError if it is invalid or less than one byte."""
    amount = int(_positive(text, "bytes, such as 512Mi"))
    if not amount:
        raise ValueError(f"{text!r} is less than one byte")
    return amount


def _positive(text: str, unit: str) -> float:
    match = _QUANTITY.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number of {unit}")
    amount = float(match[1]) * _FACTORS[match[2] or ""]
    if not amount:
        raise ValueError(f"{text!r} is zero: give a number of {unit}")
    return amount
