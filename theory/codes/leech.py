"""The minimal vectors of the Leech lattice, and the sharp codes that lie in them.

| (d, N)        | made of                                                                    |
|---------------|----------------------------------------------------------------------------|
| (24, 196560)  | the minimal vectors                                                        |
| (23, 4600)    | those at 60 degrees from one of them                                       |
| (22, 891)     | those at 60 degrees from two of them that are at 60 degrees                |
| (23, 552)     | the pairs x, w - x of minimal vectors, w of the next length: 276 lines     |
| (22, 275)     | the neighbours of one of the 552 at cosine 1/5 (McLaughlin)                |
| (21, 162)     | the neighbours of one of the 275 at cosine 1/6                             |
| (21, 112)     | those at cosine -1/4                                                       |
| (22, 100)     | the minimal x with w - x and w' - x minimal, w - w' minimal (Higman, Sims) |

Projected off an anchor at cosine c from all of them, points at cosine t are at (t - c^2) / (1 - c^2).

References:
    Conway and Sloane, 1999, "Sphere packings, lattices and groups", chapters 4.11, 10 and 14.
    Delsarte, Goethals, Seidel, 1977, "Spherical codes and designs", Geom. Dedicata 6 (the strengths).
"""

from functools import cache, partial

import numpy as np
from jaxtyping import Float, Int

from theory.codes.code import exact_code
from theory.codes.exact import exact
from theory.codes.golay import golay_code
from theory.codes.sections import section

SOURCE = "Cohn and Kumar 2007, Theorem 1.2 and Table 1 (sharp), arXiv math/0607446"
"""Where every sharp code of the table is proved to be universally optimal."""

_LONGER = (np.array([5, *[1] * 23]), np.array([1, 5, *[1] * 22]))
"""Two vectors w, w' of the lattice of norm 48 with a minimal difference; the minimal vectors have norm 32."""


@cache
def leech_vectors() -> Int[np.ndarray, "196560 24"]:
    """The minimal vectors of the Leech lattice times sqrt(8), int8, of norm 32; read-only.

    1104 of the shape (+-4^2, 0^22); 759 x 2^7 of the shape (+-2^8, 0^16), on the words of weight 8 of the Golay
    code with evenly many minus signs; 24 x 4096 of the shape (-+3, +-1^23), which is (-3, 1^23) in any order with
    the signs changed on a word of the code.

    Cost: 196560 x 24 bytes, a tenth of a second.
    """
    words = golay_code()
    signs = 1 - 2 * words.astype(np.int8)
    threes = signs[None] * (1 - 4 * np.eye(24, dtype=np.int8))[:, None]
    octads = np.nonzero(words[words.sum(axis=1) == 8])[1].reshape(-1, 8)
    bits = (np.arange(2**8)[:, None] >> np.arange(8) & 1).astype(np.int8)
    twos = np.zeros((len(octads), 2**7, 24), dtype=np.int8)
    even = 2 - 4 * bits[bits.sum(axis=1) % 2 == 0]
    twos[np.arange(len(octads))[:, None, None], np.arange(2**7)[:, None], octads[:, None]] = even
    first, second = np.triu_indices(24, 1)
    fours = np.zeros((len(first), 4, 24), dtype=np.int8)
    fours[np.arange(len(first)), :, first] = np.array([4, 4, -4, -4])
    fours[np.arange(len(first)), :, second] = np.array([4, -4, 4, -4])
    vectors = np.concatenate([part.reshape(-1, 24) for part in (fours, twos, threes)])
    vectors.flags.writeable = False
    return vectors


def leech_points() -> Float[np.ndarray, "196560 24"]:
    """The minimal vectors at unit length, float64."""
    return leech_vectors() / np.sqrt(32)


def leech_section(products: tuple[int, ...], n_longer: int = 0) -> Float[np.ndarray, "m dim"]:
    """The minimal vectors with given products with minimal vectors, after a product of 24 with w, or w and w'."""
    through = [(anchor, 24) for anchor in _LONGER[:n_longer]]
    return section(leech_vectors().astype(np.int64), products, through=through)


_CODE = partial(exact_code, source=SOURCE)

LEECH_CODES = (
    _CODE(
        "McLaughlin subconstituent of 112 points",
        21,
        [(exact(-1, 3), 30), (exact(1, 9), 81)],
        strength=3,
        make=partial(leech_section, (16, 8), 1),
    ),
    _CODE(
        "McLaughlin subconstituent of 162 points",
        21,
        [(exact(-2, 7), 56), (exact(1, 7), 105)],
        strength=3,
        make=partial(leech_section, (16, 16), 1),
    ),
    _CODE(
        "Higman-Sims code",
        22,
        [(exact(-4, 11), 22), (exact(1, 11), 77)],
        strength=3,
        make=partial(leech_section, (), 2),
    ),
    _CODE(
        "McLaughlin code",
        22,
        [(exact(-1, 4), 112), (exact(1, 6), 162)],
        strength=4,
        make=partial(leech_section, (16,), 1),
    ),
    _CODE(
        "kissing points of the kissing points of the Leech lattice",
        22,
        [(exact(-1, 2), 42), (exact(-1, 8), 512), (exact(1, 4), 336)],
        strength=5,
        make=partial(leech_section, (16, 16)),
    ),
    _CODE(
        "276 equiangular lines",
        23,
        [(-1, 1), (exact(-1, 5), 275), (exact(1, 5), 275)],
        strength=5,
        make=partial(leech_section, (), 1),
    ),
    _CODE(
        "kissing points of the Leech lattice",
        23,
        [(-1, 1), (exact(-1, 3), 891), (0, 2816), (exact(1, 3), 891)],
        strength=7,
        make=partial(leech_section, (16,)),
    ),
    _CODE(
        "Leech lattice",
        24,
        [
            (-1, 1),
            (exact(-1, 2), 4600),
            (exact(-1, 4), 47104),
            (0, 93150),
            (exact(1, 4), 47104),
            (exact(1, 2), 4600),
        ],
        strength=11,
        make=leech_points,
    ),
)
