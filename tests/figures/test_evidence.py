"""Verdicts are computed: intervals against other libraries' and known answers."""

import numpy as np
import pytest
from scipy import stats

from figures.effects import Interval, interval
from figures.evidence import (
    Evidence,
    bootstrap,
    cells,
    mean_difference,
    ratio,
    share_of_all,
    sign,
    tally,
    together,
    told,
    verdict,
    welch,
)

ABOVE, BELOW, ACROSS = (Interval(m, 1.0, m - 1, m + 1, 5) for m in (2.0, -2.0, 0.5))


def test_evidence_is_a_known_verdict_and_a_text():
    assert Evidence("confirmed", "gap 0.1 [0.05, 0.15], n = 8").verdict == "confirmed"
    for wrong in (("proved", "text"), ("open", " ")):
        with pytest.raises(ValueError, match="evidence needs one of confirmed, refuted, partly, open"):
            Evidence(*wrong)


def test_a_ragged_table_is_refused():
    assert Evidence("open", "text", [("case", "effect"), ("a", "1")]).table[1] == ("a", "1")
    for table in ([("case", "effect"), ("a",)], [("case", "effect")]):
        with pytest.raises(ValueError, match="a table of evidence needs a header and rows of as many cells"):
            Evidence("open", "text", table)


def test_intervals_are_scipys():
    rng = np.random.default_rng(3)
    a, b = rng.normal(1, 1, 12), rng.normal(0, 3, 12)
    theirs = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    ours = welch(interval(a), interval(b))
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high])
    paired = stats.ttest_rel(a, b).confidence_interval()
    ours = mean_difference(a, b)
    np.testing.assert_allclose([ours.low, ours.high], [paired.low, paired.high])
    wide = stats.ttest_rel(a, b).confidence_interval(1 - 0.05 / 7)
    found = together(ours, 7)
    np.testing.assert_allclose([found.low, found.high], [wide.low, wide.high])
    exact = stats.binomtest(48, 48).proportion_ci()
    assert share_of_all(48) == pytest.approx(exact.low)


def test_few_values_have_no_interval():
    one = interval([1.0])
    assert np.isnan(welch(one, one).low)
    assert np.isnan(bootstrap([1.0]).low)
    assert np.isnan(together(one, 3).low)
    assert sign(one) == 0
    assert told(one) == "1 (n = 1)"
    same = interval([2.0, 2.0])
    assert (welch(same, same).low, welch(same, same).high) == (0, 0)


def test_a_bootstrap_interval_holds_the_median_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        found = bootstrap([*rng.exponential(size=40), np.nan], draws=400)
        assert found.n == 40
        held += found.low <= np.log(2) <= found.high
    assert 180 <= held <= 199


def test_a_ratio_s_interval_holds_it_about_as_often_as_it_says():
    """Of two log-normal means with known spread, whose own intervals are exact; the ratio is 6."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(1000):
        first, second = (
            Interval(*np.exp([x, 0, x - 1.96 * s, x + 1.96 * s]), 9)
            for x, s in ((rng.normal(np.log(12), 0.3), 0.3), (rng.normal(np.log(2), 0.1), 0.1))
        )
        found = ratio(first, second)
        held += found.low <= 6 <= found.high
    assert 930 <= held <= 970
    bound = ratio(Interval(100.0, np.nan, 100.0, np.nan, 9), Interval(10.0, np.nan, 8.0, 12.5, 9))
    assert (bound.mean, bound.low) == (pytest.approx(10), pytest.approx(8))
    assert np.isnan(bound.high)


def test_an_interval_is_three_cells_of_a_table():
    assert cells(Interval(0.12345, 1.0, -0.1, 0.3, 5)) == ["0.123", "[-0.1, 0.3]", "5"]
    assert cells(Interval(1234.5, 1.0, 1000.0, np.nan, 5), ",.0f", signed=True) == ["+1,234", "[1,000, more]", "5"]
    assert cells(Interval(3.0, 1.0, np.nan, 4.0, 5)) == ["3", "[less, 4]", "5"]
    assert cells(interval([2.0])) == ["2", "–", "1"]


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([ABOVE, ABOVE], "confirmed"),
        ([ABOVE, ACROSS], "partly"),
        ([ABOVE, BELOW], "partly"),
        ([BELOW, ACROSS], "refuted"),
        ([ACROSS], "open"),
        ([], "open"),
    ],
)
def test_verdicts(found, says):
    assert verdict(1, found) == says
    opposite = [Interval(-one.mean, one.std, -one.high, -one.low, one.n) for one in found]
    assert verdict(-1, opposite) == says
    ratios = [Interval(one.mean + 1, one.std, one.low + 1, one.high + 1, one.n) for one in found]
    assert verdict(1, ratios, null=1) == says


def test_intervals_are_counted_by_side():
    assert tally(1, [ABOVE, ABOVE]) == "2 of 2 as claimed"
    assert tally(-1, [ABOVE, ACROSS, BELOW, ABOVE]) == "1 of 4 as claimed, 2 the other way round, 1 undecided"
    assert tally(1, [ABOVE, ACROSS], null=1.5) == "0 of 2 as claimed, 2 undecided"
