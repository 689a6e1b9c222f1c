"""2-designs that need not fall into epochs: Steiner triples, lines of projective spaces, residuals, all batches.

References:
    Bose, 1939, Ann. Eugenics 9. Skolem, 1958, "Some remarks on the triple systems of Steiner", Math. Scand. 6.
    Beth, Jungnickel, Lenz, 1999, "Design theory", Ch. I and VIII.
"""

from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np

from theory.designs.block_design import BlockDesign, complement, derived, residual
from theory.designs.cyclotomy import cyclotomy
from theory.designs.families import known_families
from theory.designs.nets import Batches, Schedule
from theory.designs.resolvable import balanced_schedules
from theory.galois import prime_power


def known_designs(n: int, batch_size: int) -> list[BlockDesign]:
    """All 2-designs of these sizes that can be built here, the smallest first and resolvable before others.

    The last one is all C(N, B) batches.
    """
    N, B = n, batch_size
    found = [_of_schedule(some) for some in balanced_schedules(N, B)] if B < N else []
    if 2 < B < N:
        for family in known_families(N, B):
            size = N * len(family.blocks)
            found.append(BlockDesign(N, B, size, family.name, resolvable=False, make=family.batches))
        found += [some for some in (steiner_triples(N) if B == 3 else None, projective_lines(N, B)) if some]
    if B == N - 1:
        every = lambda: (np.arange(N)[:, None] + np.arange(1, N)) % N  # noqa: E731
        found.append(BlockDesign(N, B, N, "all points but one", resolvable=False, make=every))
    elif N < 2 * B and B < N:
        found += [complement(some) for some in known_designs(N, N - B)[:1]]
    if 2 < B < N - 1:
        found += beside_symmetric(N, B)
    found.append(_all_batches(N, B))
    return sorted(found, key=lambda some: (some.n_batches, not some.resolvable))


def beside_symmetric(n: int, batch_size: int) -> list[BlockDesign]:
    """Residual and derived designs of these sizes, of symmetric designs from difference sets.

    With v = N + k and k = B + lambda, k (k - 1) = lambda (v - 1) is lambda = B (B - 1) / (N - B); with k = N and
    lambda = B it is v = 1 + N (N - 1) / B.
    """
    N, B, made = n, batch_size, list[BlockDesign]()
    meetings, rest = divmod(B * (B - 1), N - B)
    if not rest and (whole := symmetric(N + B + meetings, B + meetings)):
        made.append(residual(whole))
    if N * (N - 1) % B == 0 and (whole := symmetric(1 + N * (N - 1) // B, N)):
        made.append(derived(whole))
    return made


def symmetric(v: int, k: int) -> BlockDesign | None:
    """A design of v points in v batches of k: translates of one block, or complements; None if none is built here.

    Any two of its batches share lambda = k (k - 1) / (v - 1) points.
    """
    if not 2 < k < v - 2 or k * (k - 1) % (v - 1):
        return None
    if 2 * k > v:
        return (whole := symmetric(v, v - k)) and complement(whole)
    family = next((some for some in known_families(v, k) if len(some.blocks) == 1), None)
    return family and BlockDesign(v, k, v, family.name, resolvable=False, make=family.batches)


def steiner_triples(n: int) -> BlockDesign | None:
    """N = 1 or 3 modulo 6 points in N (N - 1) / 6 triples, lambda = 1; None for other N.

    Points are three copies of Z_m; triples {(x, i), (y, i), (x o y, i + 1)} for x < y and the copies i modulo 3.

    * N = 6 t + 3, m = 2 t + 1 (Bose): x o y = (x + y) / 2 modulo m, with triples {(x, 0), (x, 1), (x, 2)}. The
      point (x, i) meets (z, i + 1), z != x, once as x o y = z determines y, and y != x.
    * N = 6 t + 1, m = 2 t (Skolem), one point more, infinity: x o y = h(x + y) with h(2 j) = j and h(2 j + 1) = t +
      j, so that x o x = x for x < t, and x - t for the others: triples {(x, 0), (x, 1), (x, 2)} for x < t, and
      {infinity, (x + t, i), (x, i + 1)}.
    """
    if n < 7 or n % 6 not in (1, 3):
        return None

    def make() -> Batches:
        m, t = n // 3, n // 6
        x, y = np.triu_indices(m, 1)
        total = (x + y) % m
        z = total * (t + 1) % m if n % 6 == 3 else np.where(total % 2 == 0, total // 2, t + total // 2)
        copies = [np.stack([i * m + x, i * m + y, (i + 1) % 3 * m + z], axis=1) for i in range(3)]
        upright = np.arange(m if n % 6 == 3 else t)[:, None] + m * np.arange(3)
        if n % 6 == 1:
            low = np.arange(t)
            far = [np.stack([np.full(t, n - 1), i * m + t + low, (i + 1) % 3 * m + low], 1) for i in range(3)]
            copies += far
        return np.concatenate([upright, *copies])

    return BlockDesign(n, 3, n * (n - 1) // 6, "Steiner triples", resolvable=False, make=make)


def projective_lines(n: int, batch_size: int) -> BlockDesign | None:
    """The lines of PG(m, q), N = (q^(m + 1) - 1) / (q - 1), B = q + 1, lambda = 1; None for other sizes.

    Points are the powers x^i, i < N, of a generator of the field of q^(m + 1) elements; the line of 1 and x^i has
    the elements c + x^i and 1, c in the field of q elements, up to multiples, and adding to all i moves lines.
    """
    q, m = batch_size - 1, 1
    if prime_power(q) is None:
        return None
    while (q ** (m + 1) - 1) // (q - 1) < n:
        m += 1
    if m < 2 or (q ** (m + 1) - 1) // (q - 1) != n or q ** (m + 1) > 2**20:
        return None

    def make() -> Batches:
        group, met, lines = cyclotomy(q ** (m + 1)), np.zeros(n, dtype=bool), list[Batches]()
        scalars = np.append(0, group.power(np.arange(q - 1) * n))
        for i in range(1, n):
            if not met[i]:
                line = np.append(0, group.logs[group.field.add(scalars, group.power(i))] % n)
                met[line] = True
                lines.append((line + np.arange(n)[:, None]) % n)
                met[(line[:, None] - line) % n] = True  # the translates through 0
        return np.unique(np.sort(np.concatenate(lines), axis=1), axis=0)

    size = n * (n - 1) // (batch_size * (batch_size - 1))
    return BlockDesign(n, batch_size, size, f"lines of PG({m}, {q})", resolvable=False, make=make)


def _of_schedule(some: Schedule) -> BlockDesign:
    size = some.n_classes * some.n_batches
    make = lambda: some.classes().reshape(-1, some.batch_size)  # noqa: E731
    return BlockDesign(some.n_points, some.batch_size, size, some.name, not some.left_out, make, some)


@lru_cache(maxsize=64)
def _all_batches(N: int, B: int) -> BlockDesign:
    make = lambda: np.array(list(combinations(range(N), B)))  # noqa: E731
    return BlockDesign(N, B, comb(N, B), f"all {B}-subsets", resolvable=B == N, make=make)
