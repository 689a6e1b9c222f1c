"""The nearest sizes with a design: only sizes that can have one are looked at, and what is looked at is bounded.

`fewer_built` answers by arithmetic where a construction needs no more: no batch is made, and tables are rare.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from math import comb, gcd

from theory.designs.blocks import beside_symmetric, known_designs, projective_lines, steiner_triples
from theory.designs.conditions import why_not_resolvable
from theory.designs.cyclotomy import has_tables
from theory.designs.developed import apart
from theory.designs.differences import divisors
from theory.designs.families import bent_family, coset_family, singer_family
from theory.designs.flats import flats
from theory.designs.resolvable import balanced_schedules, resolvable_design
from theory.designs.rotations import rotated
from theory.galois import prime_power

_NEAR, _LARGEST = 64, 2**31
"""How many sizes are looked at in each direction, and the largest N."""


@lru_cache(maxsize=4096)
def fewer_built(n: int, batch_size: int) -> bool:
    """Whether `known_designs` has fewer than all batches, without building it."""
    N, B = n, batch_size
    if not 2 < B < N - 2:  # B = 2, N - 2, N - 1: nothing but all of them
        return False
    if N < 16:  # here a design may have as many batches as there are
        return known_designs(N, B)[0].n_batches < comb(N, B)
    return _by_arithmetic(N, B) or _by_tables(N, B) or (N < 2 * B and fewer_built(N, N - B))


def _by_arithmetic(N: int, B: int) -> bool:
    if has_tables(N) and ((N - 1) % B == 0 or (N - 1) % (B - 1) == 0):  # cosets
        return True
    if N == 2 * B and N % 2 == 0 and has_tables(N - 1):
        return True
    made = (flats, rotated, projective_lines, bent_family)
    return any(make(N, B) for make in made) or (B == 3 and steiner_triples(N) is not None)


def _by_tables(N: int, B: int) -> bool:
    if resolvable_design(N, B) or singer_family(N, B) or beside_symmetric(N, B):
        return True
    q, rest = divmod(N, B)
    if rest or ((q - 1) % B and (q - 1) % (B - 1)):
        return False
    family = coset_family(q, B)
    return family is not None and apart(family) is not None


@lru_cache(maxsize=4096)
def classes_built(n: int, batch_size: int, meetings: int) -> bool:
    """Whether a resolvable 2-(N, B, lambda) design is built here."""
    if why_not_resolvable(n, batch_size, meetings):
        return False
    if meetings == 1:
        return resolvable_design(n, batch_size) is not None
    return any(not some.left_out and some.meetings == meetings for some in balanced_schedules(n, batch_size))


def nearest_design(n: int, batch_size: int) -> str:
    """The nearest sizes with fewer than all batches, as text.

    N' up to 64 away, then the next 64 multiples of B and those and one, and powers of the prime of B.
    """
    N, B = n, batch_size
    far = [B * (N // B + i) + end for i in range(-_NEAR, _NEAR + 1) for end in (0, 1)]
    sizes = {*range(N - _NEAR, N + _NEAR + 1), *far, *_powers(B)}
    batches = [b for b in range(B - _NEAR, B + _NEAR + 1) if 2 < b < N - 2]
    return _text(N, B, sizes, batches, fewer_built, "Fewer than all batches are built here for")


def nearest_classes(n: int, batch_size: int, meetings: int) -> str:
    """The nearest sizes with a resolvable design of the same lambda, as text.

    N' = B y with (B - 1) | lambda (y - 1), the next 64 of them and powers of B, and all divisors B' of N.
    """
    N, B = n, batch_size
    step = B * (B - 1) // gcd(B - 1, meetings)
    sizes = {B + step * ((N - B) // step + i) for i in range(-_NEAR, _NEAR + 1)} | set(_powers(B))
    built = lambda size, batch: classes_built(size, batch, meetings)  # noqa: E731
    return _text(N, B, sizes, divisors(N), built, f"Built here for lambda = {meetings}:")


def _powers(B: int) -> list[int]:
    p = (prime_power(B) or (_LARGEST, 1))[0]
    return [p**a for a in range(1, 32) if p**a < _LARGEST]


def _text(
    N: int, B: int, sizes: Iterable[int], batches: Iterable[int], built: Callable[[int, int], bool], lead: str
) -> str:
    """The nearest N' with this B, below and above, and the nearest B' with this N; how far was looked in vain."""
    below = sorted((size for size in sizes if B < size < N), reverse=True)
    above = sorted(size for size in sizes if N < size < _LARGEST)
    others = sorted((b for b in batches if 2 <= b < N and b != B), key=lambda b: abs(b - B))
    found = [next((size for size in some if built(size, B)), None) for some in (below, above)]
    batch = next((b for b in others if built(N, b)), None)
    near = [f"N = {size}" for size in found if size]
    parts = [f"{' and '.join(near)} with B = {B}"] if near else []
    parts += [f"B = {batch} with N = {N}"] if batch else []
    vain = [f"N = {some[-1]}" for some, size in zip((below, above), found, strict=True) if some and not size]
    vain += [f"B = {others[-1]}"] if others and not batch else []
    parts += [f"none found as far as {' and '.join(vain)}"] if vain else []
    return f"{lead} {'; '.join(parts)}" if parts else ""
