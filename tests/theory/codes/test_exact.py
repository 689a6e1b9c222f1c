"""Numbers a + b sqrt(5): arithmetic and order, compared with fractions and with floats."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.codes import QuadraticNumber
from theory.codes.exact import exact

ROOT = QuadraticNumber(Fraction(0), Fraction(1))

fractions = st.fractions(min_value=-50, max_value=50, max_denominator=40)
numbers = st.builds(QuadraticNumber, fractions, fractions)


def test_golden_ratio():
    golden = (ROOT + 1) / 2
    assert golden * golden == golden + 1
    assert exact(1) / golden == golden - 1
    assert float(golden) == pytest.approx((1 + math.sqrt(5)) / 2, rel=1e-15)
    assert str(golden) == "1/2 + 1/2 sqrt(5)"
    assert str(exact(-3, 5)) == "-3/5"


def test_order_is_exact_where_floats_cannot_tell():
    # Fibonacci numbers: F(80) / F(79) is below the golden ratio by less than float64 can see
    a, b = 0, 1
    for _ in range(79):
        a, b = b, a + b
    golden, below = (ROOT + 1) / 2, exact(b, a)
    assert float(golden) == float(below)
    assert golden != below
    assert (golden < below) == (b * b - a * b - a * a > 0)


@given(numbers, numbers)
def test_arithmetic_is_that_of_the_reals(x, y):
    scale = 1 + abs(float(x)) * abs(float(y)) + abs(float(x)) + abs(float(y))
    assert float(x + y) == pytest.approx(float(x) + float(y), abs=1e-12 * scale)
    assert float(x - y) == pytest.approx(float(x) - float(y), abs=1e-12 * scale)
    assert float(x * y) == pytest.approx(float(x) * float(y), abs=1e-12 * scale)
    if y != 0:
        assert (x / y) * y == x
    if abs(float(x) - float(y)) > 1e-9:
        assert (x < y) == (float(x) < float(y))


@given(fractions, fractions)
def test_rationals_compare_and_hash_as_fractions(a, b):
    x = exact(a)
    assert x == a
    assert hash(x) == hash(a)
    assert (x < b) == (a < b)
    assert x * b == a * b
    assert x.sign == (a > 0) - (a < 0)


def test_other_types_are_not_equal():
    assert exact(1) != "1"
    assert exact(1) != 1.0  # a float is not an exact number
