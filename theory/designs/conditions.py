"""When there is no 2-design, or no resolvable one: necessary conditions, each with its theorem.

A 2-(N, B, lambda) design has b batches, r of them through every point: lambda (N - 1) = r (B - 1), b B = N r.

* Fisher: b >= N if B < N. If b = N (symmetric) then, by Bruck, Ryser and Chowla, for even N the order n = B -
  lambda is a square, and for odd N the equation x^2 = n y^2 + (-1)^((N - 1) / 2) lambda z^2 has a solution but 0;
  by Legendre and Hasse it has one if the Hilbert symbol of n and +-lambda is 1 for every odd prime (that of 2
  follows).
* If r = B + lambda and lambda <= 2 the design is what a symmetric 2-(N + r, r, lambda) design leaves beside one of
  its batches (Hall and Connor; for lambda = 1, an affine plane in its projective plane), which must exist too.
* No projective plane of order 10 exists (Lam, Thiel, Swiercz, by computer).
* Resolvable: B divides N, and b >= N + r - 1 (Bose); if b = N + r - 1 any two batches of different classes share
  B^2 / N points, which must be a whole number.

References:
    Fisher, 1940, Ann. Eugenics 10. Bose, 1942, "A note on the resolvability of balanced incomplete block designs",
    Sankhya 6. Bruck and Ryser, 1949, Canad. J. Math. 1. Chowla and Ryser, 1950, Canad. J. Math. 2. Hall and Connor,
    1954, "An embedding theorem for balanced incomplete block designs", Canad. J. Math. 6. Tarry, 1900 (order 6).
    Lam, Thiel, Swiercz, 1989, "The nonexistence of finite projective planes of order 10", Canad. J. Math. 41.
"""

from math import gcd, isqrt
from typing import NamedTuple

from theory.galois import prime_factors


class FewestBatches(NamedTuple):
    """A lower bound on the batches of a 2-design.

    Attributes:
        n_batches: no 2-design of this N and B has fewer.
        meetings: lambda of one with that many.
        because: what excludes fewer.
    """

    n_batches: int
    meetings: int
    because: str


def why_no_design(n: int, batch_size: int, meetings: int) -> str | None:
    """Why there is no 2-(N, B, lambda) design; None if nothing here excludes it.

    >>> why_no_design(36, 6, 1)
    'it would extend to a symmetric 2-(43, 7, 1) design: x^2 = 6 y^2 - z^2 has no solution (Bruck-Ryser-Chowla)'
    """
    N, B = n, batch_size
    if meetings * (N - 1) % (B - 1):
        return f"B - 1 = {B - 1} must divide lambda (N - 1) = {meetings * (N - 1)}"
    r = meetings * (N - 1) // (B - 1)
    if N * r % B:
        return f"B = {B} must divide N r = {N * r}, r = {r} the batches through a point"
    b = N * r // B
    if B < N and b < N:
        return f"it would have {b} batches, fewer than its {N} points (Fisher)"
    if b == N:
        return _why_not_symmetric(N, B, meetings)
    if r == B + meetings and meetings <= 2:
        reason = _why_not_symmetric(N + r, r, meetings)
        return reason and f"it would extend to a symmetric 2-({N + r}, {r}, {meetings}) design: {reason}"
    return None


def why_not_resolvable(n: int, batch_size: int, meetings: int) -> str | None:
    """Why there is no resolvable 2-(N, B, lambda) design; None if nothing here excludes it.

    >>> why_not_resolvable(13, 3, 1)
    'B = 3 must divide N = 13: a class is a partition'
    """
    N, B = n, batch_size
    if N % B:
        return f"B = {B} must divide N = {N}: a class is a partition"
    if reason := why_no_design(N, B, meetings):
        return reason
    r = meetings * (N - 1) // (B - 1)
    b = N * r // B
    if B < N and b < N + r - 1:
        return f"it would have {b} batches, fewer than N + r - 1 = {N + r - 1} (Bose)"
    if B < N and b == N + r - 1 and B * B % N:
        return f"batches of two classes would share B^2 / N = {B * B}/{N} points (Bose)"
    return None


def fewest_batches(n: int, batch_size: int) -> FewestBatches:
    """A lower bound on the number of batches of any 2-design of n points in batches of B, by `why_no_design`."""
    N, B = n, batch_size
    if B == N:
        return FewestBatches(1, 1, "one batch")
    through, all_of_them = (B - 1) // gcd(B - 1, N - 1), B * (B - 1) // gcd(B * (B - 1), N * (N - 1))
    step = through * all_of_them // gcd(through, all_of_them)
    lam = step
    because = "lambda (N - 1) = r (B - 1), b B = N r"
    if lam * N * (N - 1) < N * B * (B - 1):
        lam = -(-B * (B - 1) // (N - 1))
        lam += -lam % step
        because = "Fisher: b >= N"
    while reason := why_no_design(N, B, lam):
        lam, because = lam + step, reason
    return FewestBatches(lam * N * (N - 1) // (B * (B - 1)), lam, because)


def _why_not_symmetric(v: int, k: int, meetings: int) -> str | None:
    order = k - meetings
    if (v, k, meetings) == (111, 11, 1):
        return "there is no projective plane of order 10 (Lam, Thiel, Swiercz)"
    if k == v or order == 0:
        return None
    if v % 2 == 0:
        square = isqrt(order) ** 2 == order
        return None if square else f"N = {v} is even and B - lambda = {order} no square (Bruck-Ryser-Chowla)"
    signed = meetings if v % 4 == 1 else -meetings
    primes = {p for x in (order, meetings) for p, _ in prime_factors(x) if p > 2}
    if all(_hilbert(order, signed, p) == 1 for p in primes):
        return None
    sign, size = ("+" if signed > 0 else "-"), ("" if meetings == 1 else f"{meetings} ")
    return f"x^2 = {order} y^2 {sign} {size}z^2 has no solution (Bruck-Ryser-Chowla)"


def _hilbert(x: int, y: int, p: int) -> int:
    """The Hilbert symbol (x, y)_p for an odd prime p."""
    a = b = 0
    while x % p == 0:
        x, a = x // p, a + 1
    while y % p == 0:
        y, b = y // p, b + 1
    sign = -1 if a % 2 and b % 2 and p % 4 == 3 else 1
    legendre = [1 if pow(z, (p - 1) // 2, p) == 1 else -1 for z in (x, y)]
    return sign * legendre[0] ** (b % 2) * legendre[1] ** (a % 2)
