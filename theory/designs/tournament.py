"""The circle method: batches of two as a round-robin tournament.

References:
    Kirkman, 1847, "On a problem in combinations".
"""

import numpy as np
from jaxtyping import Int

from theory.designs.nets import Batches, Schedule


def round_robin(n: int) -> Int[np.ndarray, "classes n_batches 2"]:
    """The circle method for B = 2: n - 1 partitions of an even number n of points in which each pair meets once.

    Class i pairs i with the last point, and i + k with i - k modulo n - 1.

    Raises:
        ValueError: if n is odd or below 2.

    References:
        Kirkman, 1847.
    """
    if n < 2 or n % 2:
        raise ValueError(
            f"a round robin pairs off an even number of points, received {n}; leave one out or add one"
        )
    return np.stack([tournament_round(n, i) for i in range(n - 1)])


def tournament(n: int) -> Schedule:
    """A round robin of n points as a schedule; an odd number leaves out another point in every class.

    Still each pair meets once.
    """
    players = n + n % 2

    def pairs(number: int) -> Batches:
        games = tournament_round(players, number)
        return games[(games < n).all(1)]

    return Schedule(n, 2, n // 2, players - 1, "2-design", "round robin", pairs, in_turn=n % 2 == 1)


def tournament_round(n: int, i: int) -> Batches:
    """Round i of a tournament of n, an even number."""
    k = np.arange(n // 2)
    games = np.stack([(i + k) % (n - 1), (i - k) % (n - 1)], axis=1)
    games[0, 1] = n - 1
    return games
