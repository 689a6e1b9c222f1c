"""Verdicts are computed: intervals against other libraries' and known answers, claims against made-up tables."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from figures.effects import Interval, interval
from figures.evidence import (
    Evidence,
    bootstrap,
    mean_difference,
    ratio,
    share_of_all,
    sign,
    together,
    told,
    verdict,
    welch,
)
from figures.registry import FIGURES

ABOVE, BELOW, ACROSS = (Interval(m, 1.0, m - 1, m + 1, 5) for m in (2.0, -2.0, 0.5))


def test_evidence_is_a_known_verdict_and_a_text():
    assert Evidence("confirmed", "gap 0.1 [0.05, 0.15], n = 8").verdict == "confirmed"
    for wrong in (("proved", "text"), ("open", " ")):
        with pytest.raises(ValueError, match="evidence needs one of confirmed, refuted, partly, open"):
            Evidence(*wrong)


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


def test_a_changed_table_changes_the_verdict():
    """Shuffles that end where Ordered SGD does; classes that do not suffice; harder batches that take longer."""
    entry = FIGURES["gap_curves"]
    tables = entry.read()
    assert entry.evidence(tables).verdict == "confirmed"
    results = tables["synthetic_results"].copy()
    hard = results["selection"].isin(["osgd", "spectral"])
    results.loc[hard, "gap_mean"] += 1.0
    assert entry.evidence(tables | {"synthetic_results": results}).verdict == "partly"
    results.loc[results["selection"] == "fixed", "gap_mean"] = 0.0
    assert entry.evidence(tables | {"synthetic_results": results}).verdict == "refuted"
    cost = FIGURES["selection_cost"]
    (name, table), *_ = cost.read().items()
    assert cost.evidence({name: table}).verdict == "confirmed"
    table.loc[table["method"] == "graph", "cpu_seconds"] = 1e6
    assert cost.evidence({name: table}).verdict == "partly"


def _points(whole, but_one, shuffles):
    shared = {"n_pairs": 9, "batch_size": 3, "n": 8}
    rows = [("classes", 4, whole), ("classes", 3, but_one), ("shuffles", 64, shuffles)]
    return pd.DataFrame([shared | {"family": f, "k": k, "gap_min": g, "gap_max": g} for f, k, g in rows])


@pytest.mark.parametrize(
    ("gaps", "says"),
    [((1e-15, 0.1, 0.01), "confirmed"), ((1e-15, 0.1, 0.0), "partly"), ((1e-3, 0.1, 0.01), "refuted")],
)
def test_sufficiency(gaps, says):
    found = FIGURES["sufficiency"].evidence({"sufficiency_points": _points(*gaps)})
    assert found.verdict == says
    assert "n = 8 starts" in found.text


def _needed(shuffled, design):
    shared = {
        "n_pairs": 25,
        "batch_size": 5,
        "decay": "constant",
        "target": 0.01,
        "first": 5,
        "at_most": 9000,
        "n": 64,
    }
    rows = [("shuffled", shuffled), ("design", design)]
    return pd.DataFrame(
        [
            shared | {"selection": name, "updates": x, "low": x and 0.9 * x, "high": x and 1.1 * x}
            for name, x in rows
        ]
    )


@pytest.mark.parametrize(
    ("shuffled", "design", "says", "words"),
    [
        (8000, 1000, "confirmed", "gap 0.01: 8 [6.9"),
        (1000, 1000, "open", "gap 0.01: 1 [0.8"),
        (500, 1000, "refuted", "gap 0.01: 0.5 [0.4"),
        (None, 1000, "confirmed", "at least 9 [8.1"),
        (1000, None, "open", "No target"),
    ],
)
def test_race(shuffled, design, says, words):
    """Intervals of 10 % on both sides; one that never arrived bounds the ratio from below."""
    found = FIGURES["race"].evidence({"race_needed": _needed(shuffled, design), "race_curves": pd.DataFrame()})
    assert found.verdict == says
    assert words in found.text


def test_grams_of_pairs_that_never_meet():
    n = 4
    rows = []
    for k, together_at in ((2, 1.0), (3, -1 / 3)):
        for i in range(n):
            for j in range(n):
                value = 1.0 if i == j else together_at if i // 2 == j // 2 else -0.5 if k == 2 else -1 / 3
                rows.append({"n_pairs": n, "batch_size": 2, "k": k, "i": i, "j": j, "value": value})
    grams = pd.DataFrame(rows)
    assert FIGURES["sufficiency_grams"].evidence({"sufficiency_grams": grams}).verdict == "confirmed"
    grams.loc[(grams["k"] == 3) & (grams["i"] != grams["j"]), "value"] = 0.0
    assert FIGURES["sufficiency_grams"].evidence({"sufficiency_grams": grams}).verdict == "partly"


def test_trainings(vision_tables):
    """The made-up runs: every selection but shuffled is better by 0.02 to 0.05, and its plans harder by 0.5."""
    tables = dict(zip(("vision_results", "vision_curves"), vision_tables, strict=True))
    for kind in ("losses", "accuracy", "batches"):
        found = FIGURES[f"vision_{kind}"].evidence(tables)
        assert found.verdict == "confirmed", found
        assert "4 of 4 intervals above 0, 0 below" in found.text
    equal = tables["vision_results"].assign(knn_top1=0.5, probe_top1=np.nan)
    assert FIGURES["vision_losses"].evidence(tables | {"vision_results": equal}).verdict == "open"
