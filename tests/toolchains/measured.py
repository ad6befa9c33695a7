"""Measurements of a run's conversions, by route; docs/formats.md is generated from the file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kleverproto.conversions import ConversionRecord

FILE = Path(__file__).parents[1] / "data" / "conversions.json"
_ROUTES: dict[str, dict[str, Any]] = {}


def add(model: str, record: ConversionRecord, options: Mapping[str, str]) -> None:
    """Record one conversion, unless it could not be compared."""
    if not record.verification.verified:
        return
    formats = (record.steps[0].source_format, *(step.target_format for step in record.steps))
    how = f" ({', '.join(f'{name}={value}' for name, value in sorted(options.items()))})" if options else ""
    row = _ROUTES.setdefault(f"{' -> '.join(formats)}{how}", {"models": [], "relative": 0.0})
    row["models"] = sorted({*row["models"], model})
    relative = max((difference.relative for difference in record.verification.differences), default=0.0)
    row["relative"] = float(f"{max(row['relative'], relative):.0e}")
    row["programs"] = [step.program for step in record.steps]


def write() -> None:
    """Replace the file by the measurements of this run, which must have been complete."""
    FILE.write_text(json.dumps(dict(sorted(_ROUTES.items())), indent=1) + "\n")
