"""Division of whole percents."""

from collections.abc import Mapping
from math import floor
from typing import TypeVar

KeyT = TypeVar("KeyT")


def apportion(percent: int, weights: Mapping[KeyT, int]) -> dict[KeyT, int]:
    """Divide whole percents in proportion to weights, by the largest remainder method.

    Args:
        percent: sum of the parts.
        weights: weight of each part; all 0 for equal parts.
    """
    total = sum(weights.values())
    exact = {key: percent * each / total if total else percent / len(weights) for key, each in weights.items()}
    shares = {key: floor(share) for key, share in exact.items()}
    by_remainder = sorted(exact, key=lambda key: shares[key] - exact[key])
    for key in by_remainder[: percent - sum(shares.values())]:
        shares[key] += 1
    return shares
