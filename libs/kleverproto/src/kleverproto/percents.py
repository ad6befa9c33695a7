"""Whole percents that sum to what they are parts of."""

from collections.abc import Mapping
from math import floor
from typing import TypeVar

KeyT = TypeVar("KeyT")


def apportion(percent: int, weights: Mapping[KeyT, int]) -> dict[KeyT, int]:
    """Spread whole percents in proportion; what rounding leaves goes to the largest remainders.

    Args:
        percent: what the parts sum to.
        weights: of each part; equal parts where all are 0.
    """
    total = sum(weights.values())
    exact = {key: percent * each / total if total else percent / len(weights) for key, each in weights.items()}
    shares = {key: floor(share) for key, share in exact.items()}
    by_remainder = sorted(exact, key=lambda key: shares[key] - exact[key])
    for key in by_remainder[: percent - sum(shares.values())]:
        shares[key] += 1
    return shares
