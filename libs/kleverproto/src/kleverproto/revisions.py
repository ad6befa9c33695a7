"""Revisions: which settings of a variant make another version of it."""

import json
from hashlib import sha256

from .references import ModelRef
from .variants import Variant

LENGTH = 12
"""Hex digits of a revision."""


def revision_of(variant: Variant) -> str:
    """Identifies the servers of a variant: the digest, and every setting that affects how they run."""
    facts = variant.model_dump(mode="json", exclude={"name", "model", "replicas", "autoscaling"})
    facts["version"] = ModelRef.parse(variant.model).version  # answers name it
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:LENGTH]
