"""Fields are checked by their axioms."""

import numpy as np
import pytest

from theory.designs import GaloisField, prime_power
from theory.galois import prime_factors


def test_prime_powers():
    assert [q for q in range(30) if prime_power(q)] == [2, 3, 4, 5, 7, 8, 9, 11, 13, 16, 17, 19, 23, 25, 27, 29]
    assert (prime_power(3125), prime_power(12), prime_power(1)) == ((5, 5), None, None)
    assert prime_factors(360) == [(2, 3), (3, 2), (5, 1)]
    with pytest.raises(ValueError, match=r"prime power of elements, received 6"):
        GaloisField(6)


@pytest.mark.parametrize("q", [2, 3, 4, 5, 7, 8, 9, 16, 25, 27, 32])
def test_a_field_is_a_field(q):
    field, x = GaloisField(q), np.arange(q)
    plus, times = field.add(x[:, None], x), field.multiply(x[:, None], x)
    a, b, c = np.random.default_rng(0).integers(0, q, (3, 200))
    for table, neutral, rest in ((plus, 0, x), (times, 1, x[1:])):
        assert np.array_equal(table, table.T)
        assert np.array_equal(table[neutral], x)
        assert np.array_equal(table[table[a, b], c], table[a, table[b, c]])
        # Every row is a permutation: there are inverses.
        assert np.array_equal(np.sort(table[rest][:, rest], axis=1), np.tile(rest, (len(rest), 1)))
    assert np.array_equal(times[a, plus[b, c]], plus[times[a, b], times[a, c]])
