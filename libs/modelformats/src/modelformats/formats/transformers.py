"""Files that transformers and PEFT write beside weights: config.json, the index of shards, adapter_config.json."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelformats.format import head
from modelformats.parts import Part
from modelformats.plain import listed, table, text

CONFIG, ADAPTER = "config.json", "adapter_config.json"
INDEX_PATTERN = "*.safetensors.index.json"
CONFIG_LIMIT, INDEX_LIMIT = 4 * 1024**2, 64 * 1024**2


@dataclass(frozen=True)
class About:
    """The information in the files beside the weights."""

    framework: str | None
    version: str | None
    details: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def describe(directory: Path) -> About:
    """Describe the model from its configuration, which is optional: an invalid one is treated as missing."""
    config, adapter = _json(directory / CONFIG, CONFIG_LIMIT), _json(directory / ADAPTER, CONFIG_LIMIT)
    details = {
        "architectures": [name for name in listed(config.get("architectures")) if isinstance(name, str)],
        "model_type": text(config.get("model_type")),
        "quantization": text(table(config, "quantization_config").get("quant_method")),
    }
    if adapter:
        return _adapter(adapter, details)
    is_of_transformers = "transformers_version" in config or "architectures" in config
    framework = "transformers" if is_of_transformers else None
    return About(framework, text(config.get("transformers_version")), details)


def shards(index: Path) -> Iterator[Part]:
    """Yield the files that an index names, each with one of its tensors."""
    seen = set()
    for tensor, file in table(_json(index, INDEX_LIMIT), "weight_map").items():
        if isinstance(file, str) and file not in seen:
            seen.add(file)
            yield Part(f"the weights {tensor!r}", file)


def _adapter(adapter: dict[str, Any], details: dict[str, Any]) -> About:
    kind, base = text(adapter.get("peft_type")) or "PEFT", text(adapter.get("base_model_name_or_path"))
    warning = (
        f"these are the weights of a {kind} adapter, which run only on top of their base model"
        f"{f' {base}' if base else ''}: to have one model, merge them with merge_and_unload() and save that"
    )
    details = {**details, "adapter": kind, "base_model": base}
    return About("PEFT", text(adapter.get("peft_version")), details, (warning,))


def _json(path: Path, limit: int) -> dict[str, Any]:
    try:
        content = json.loads(head(path, limit))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
