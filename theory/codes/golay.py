"""The extended binary Golay code: 4096 words of 24 bits, any two of which differ in 8 places or more."""

from functools import cache

import numpy as np
from jaxtyping import Int

_LENGTH = 23


@cache
def golay_code() -> Int[np.ndarray, "4096 24"]:
    """The words of the extended binary Golay code [24, 12, 8], one row of 0 and 1 each; read-only.

    The quadratic-residue code modulo 23: spanned by the cyclic shifts of the word that has its ones at the squares,
    each with a bit of parity behind it. Twelve shifts in a row span it, for a cyclic code of dimension 12 is. The
    weights 0, 8, 12, 16, 24 occur 1, 759, 2576, 759, 1 times.

    References:
        Conway and Sloane, 1999, "Sphere packings, lattices and groups", chapter 3, section 2.8, and chapter 11.
    """
    squares = {i * i % _LENGTH for i in range(1, _LENGTH)}
    word = np.array([i in squares for i in range(_LENGTH)], dtype=np.int64)
    shifts = np.array([np.roll(word, k) for k in range(12)])
    basis = np.hstack([shifts, shifts.sum(axis=1, keepdims=True) % 2])
    messages = np.arange(2**12)[:, None] >> np.arange(12) & 1
    words = messages @ basis % 2
    words.flags.writeable = False
    return words
