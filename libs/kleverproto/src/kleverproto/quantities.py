"""Quantities as Kubernetes writes them: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/."""

import re

_QUANTITY = re.compile(r"^([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$")
_FACTORS = {"": 1.0, "m": 0.001} | {
    prefix + binary: (1024.0 if binary else 1000.0) ** power
    for binary in ("", "i")
    for power, prefix in enumerate(("k" if not binary else "K", "M", "G", "T", "P"), start=1)
}


def cores_of(text: str) -> float:
    """Cores of a quantity such as `500m`. Raises ValueError for none, and for nothing."""
    return _positive(text, "cores, such as 500m or 2")


def bytes_of(text: str) -> int:
    """Bytes of a quantity such as `512Mi`. Raises ValueError for none, and for less than one."""
    amount = int(_positive(text, "bytes, such as 512Mi"))
    if not amount:
        raise ValueError(f"{text!r} is less than one byte")
    return amount


def _positive(text: str, what: str) -> float:
    match = _QUANTITY.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no number of {what}")
    amount = float(match[1]) * _FACTORS[match[2] or ""]
    if not amount:
        raise ValueError(f"{text!r} is nothing: give a number of {what}")
    return amount
