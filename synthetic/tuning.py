"""The best learning rate, as a power of two of a unit."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

FIRST_TUNING_SEED = 1_000_000
"""Rates are tuned on seeds from here on, which no result is from."""
_LEAST, _MOST = -8, 12
"""Exponents that are tried at all."""


def best_exponents(score: Callable[[Sequence[int]], Sequence[Sequence[Any]]], start: Iterable[int]) -> list[int]:
    """The exponents of two with the least scores, each with worse ones tried on both sides.

    The search goes on by two exponents at a time, to the side on which the best one so far is the last that was
    tried, until there is none, or no more to try.

    Args:
        score: Of exponents that are tried side by side: for each goal, the score of every one of them, a number
            or whatever else can be compared.
        start: The exponents that are tried first.

    Returns:
        For every goal the best exponent; of equally good ones the one that was tried first.
    """
    tried: dict[int, tuple[Any, ...]] = {}
    ahead = list(start)
    while True:
        tried |= dict(zip(ahead, zip(*score(ahead), strict=True), strict=True))
        goals = range(len(tried[ahead[0]]))
        best = [min(tried, key=lambda e, goal=goal: tried[e][goal]) for goal in goals]
        low, high = min(tried), max(tried)
        ahead = [low - 2, low - 1] if low in best and low - 2 >= _LEAST else []
        ahead += [high + 1, high + 2] if high in best and high + 2 <= _MOST else []
        if not ahead:
            return best
