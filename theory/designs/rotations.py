"""Classes that rotation makes of one, for sizes without a construction: base classes found by search.

Points are the integers modulo v and, if B divides N = v + 1, one point more that stays where it is; or N = v = 1
modulo B, and a class leaves out a point, the base class 0. The base class is such that every difference but 0
occurs B - 1 times in its batches, so that its v translates are a 2-design with lambda = B - 1. (The fixed point
meets B - 1 others in the base class.)

They were found by simulated annealing: from a random order of the points, swaps of two points of different batches,
accepted by Metropolis' rule for the sum over differences of (how often it occurs - (B - 1))^2, while the
temperature falls geometrically, until the sum is 0. What is stored is the points, batch after batch; tests count
the pairs.

References:
    Kirkpatrick, Gelatt, Vecchi, 1983, "Optimization by simulated annealing", Science 220.
"""

import numpy as np

from theory.designs.nets import Batches, Schedule

_FOUND: dict[tuple[int, int], str] = {
    (12, 4): "4 6 0 11 9 8 7 1 5 3 2 10",
    (18, 3): "9 16 13 15 17 14 12 10 4 1 7 8 3 0 5 11 2 6",
    (20, 5): "4 16 5 1 14 19 10 11 6 13 15 0 8 3 2 7 9 12 17 18",
    (21, 4): "17 4 3 16 11 5 9 20 2 13 10 7 8 1 6 18 15 19 12 14",
    (21, 5): "7 19 9 12 4 8 3 5 18 1 6 15 13 2 14 17 10 16 11 20",
    (24, 3): "9 8 15 17 10 14 19 6 5 16 23 11 7 3 18 21 4 13 2 0 20 12 22 1",
    (24, 4): "6 23 11 3 17 12 1 13 2 9 0 10 19 7 21 4 15 22 16 20 5 8 18 14",
    (24, 6): "14 22 10 6 15 12 23 21 8 16 9 19 13 17 20 2 3 11 4 7 18 5 0 1",
    (26, 5): "19 6 25 9 10 8 24 23 17 12 22 18 1 4 20 14 16 11 13 5 2 21 3 15 7",
    (28, 3): "7 3 1 21 14 5 19 22 27 24 11 25 12 10 16 26 9 8 4 23 15 13 6 18 20 2 17",
    (28, 7): "6 13 18 23 9 25 24 7 3 1 2 27 5 15 21 16 12 0 8 26 19 17 20 14 10 11 22 4",
    (30, 3): "3 28 7 1 8 24 15 6 5 20 25 19 0 9 26 12 22 14 17 2 4 16 27 13 21 10 29 23 18 11",
    (30, 5): "19 20 2 12 18 17 6 11 3 21 16 25 10 23 22 26 5 1 29 14 28 9 7 0 4 15 27 8 13 24",
    (30, 6): "5 27 7 19 24 25 29 14 4 20 6 0 10 1 18 23 2 13 28 16 3 21 26 17 9 15 8 22 12 11",
    (33, 4): "8 28 26 29 12 21 24 23 22 3 7 30 10 18 31 2 19 9 14 13 11 5 16 25 27 4 20 1 6 17 32 15",
    (35, 5): "22 23 7 32 34 2 19 15 3 13 16 8 11 5 31 0 29 27 9 10 12 14 26 33 20 25 17 18 30 21 4 24 28 1 6",
    (36, 3): "24 2 16 14 11 18 21 27 23 17 0 3 8 25 9 31 35 5 6 13 26 34 15 4 12 7 32 28 1 30 10 22 33 29 19 20",
    (40, 3): "28 15 38 4 36 7 14 33 37 3 9 29 31 34 16 39 8 30 10 5 12 22 35 23 20 6 27 11 13 1 26 18 2 17 32 "
    "21 25 19 24",
    (40, 5): "11 23 10 13 39 36 15 37 17 28 34 27 1 12 31 5 29 20 25 30 3 6 19 9 21 4 33 38 26 22 14 8 0 7 35 "
    "2 16 24 18 32",
}


def rotated(n: int, batch_size: int) -> Schedule | None:
    """A 2-design with lambda = B - 1, the translates of a stored base class; None if none is stored."""
    if (n, batch_size) not in _FOUND:
        return None
    base = np.array(_FOUND[n, batch_size].split(), dtype=np.int64).reshape(-1, batch_size)
    v = n - 1 if n % batch_size == 0 else n

    def make(number: int) -> Batches:
        return np.where(base < v, (base + number) % v, base)

    return Schedule(n, batch_size, len(base), v, "2-design", f"rotation modulo {v}", make, in_turn=v == n)
