"""Races of selections: what their figures say about a table, and that they say it of what the table holds."""

import numpy as np
import pandas as pd
import pytest

from figures import selection_quality, selection_race

PROBLEM = {"dim": 8, "loss": "clip_sum", "temperature": 1.0, "equal_init": False, "dtype": "float64"}
HARDNESS = {"shuffled": 0.45, "spectral": 0.57, "matching": 0.6, "spread": 0.3, "full": np.nan, "osgd": 0.7}


def row(selection, updates, *, target=0.01, seconds_each=1e-6, n=8, low=0.9, high=1.1, **more):
    """Of selection_needed.csv; updates None for 1,000 that were not enough."""
    found = {"updates": updates, "low": updates and updates * low, "high": updates and updates * high}
    seconds = {"seconds": "updates", "seconds_low": "low", "seconds_high": "high"}
    settings = {"n_pairs": n, "dim": n, "batch_size": 2, "selection": selection, "decay": "constant"}
    arm = {"candidates": 0, "keep": 1, "given_rate": 0.0, "target": target}
    run = {"at_most": 1000, "rate": 1.0, "n": 32, "update_seconds": seconds_each, "side_by_side": 96}
    hard = {"hardness": HARDNESS[selection], "hardness_random": 0.45, "hardness_exact": 0.6}
    times = {name: found[of] and found[of] * seconds_each for name, of in seconds.items()}
    return PROBLEM | settings | arm | run | hard | found | times | more


def tables(*rows):
    return {"selection_needed": pd.DataFrame(rows)}


# ---- the race


def test_fewer_updates_but_more_time_is_part_of_the_claim():
    found = selection_race.evidence(tables(row("shuffled", 500), row("spectral", 50, seconds_each=1e-4)))
    assert found.verdict == "partly"
    assert "spectral 10 [" in found.text
    assert "0.1 [" in found.text
    assert "n = 32 seeds" in found.text
    assert "gap 0.01, fewer updates in 1 of 1 (0 more), less time in 0 of 1 (1 more)" in found.text
    assert "least time: shuffled, 0.5 ms" in found.text


def test_fewer_updates_and_less_time_is_the_claim():
    faster = tables(row("shuffled", 500), row("matching", 50), row("osgd", 20))
    assert selection_race.evidence(faster).verdict == "confirmed"
    slower = tables(row("shuffled", 50), row("matching", 500))
    assert selection_race.evidence(slower).verdict == "refuted"


def test_what_is_not_reached_is_a_bound():
    found = selection_race.evidence(tables(row("shuffled", None), row("spectral", 100)))
    assert found.verdict == "confirmed"
    assert "spectral > 9.09" in found.text  # at least 1,000 updates over at most 110
    found = selection_race.evidence(tables(row("shuffled", 100), row("spectral", None)))
    assert found.verdict == "refuted"
    assert "spectral < 0.11" in found.text
    found = selection_race.evidence(tables(row("shuffled", None), row("spectral", None)))
    assert found.verdict == "open"


def test_rates_that_were_not_tuned_do_not_count():
    given = [row("shuffled", 500, given_rate=0.5), row("spectral", 5, given_rate=0.5)]
    assert selection_race.evidence(tables(*given)).verdict == "open"
    found = selection_race.evidence(tables(row("shuffled", 50), row("spectral", 500), *given))
    assert found.verdict == "refuted"


def test_ordered_sgd_over_some_batches_has_a_line_of_its_own():
    some = row("osgd", 40, candidates=80, keep=8)
    found = selection_race.evidence(tables(row("shuffled", 500), row("osgd", 20), some))
    assert "Ordered SGD 25 [" in found.text
    assert "Ordered SGD, 8 of 80 12.5 [" in found.text
    ((name, figure),) = selection_race.pictures(tables(row("shuffled", 500), row("osgd", 20), some))
    assert name == "selection_race"
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["shuffled", "Ordered SGD", "Ordered SGD, 8 of 80"]


def test_the_picture_has_updates_and_seconds_of_every_problem():
    rows = [row(name, updates, n=n) for n in (8, 16) for name, updates in (("shuffled", 500), ("full", None))]
    ((_, figure),) = selection_race.pictures(tables(*rows))
    assert [axis.get_title(loc="left") for axis in figure.axes[:2]] == ["N = 8, B = 2", "N = 16, B = 2"]
    above, below = figure.axes[0], figure.axes[2]
    assert [line.get_xdata()[0] for line in above.lines if line.get_marker() == "o"] == [500]
    assert [line.get_xdata()[0] for line in below.lines if line.get_marker() == "o"] == [500e-6]
    assert [line.get_xdata()[0] for line in above.lines if line.get_marker() == ">"] == [1000]


# ---- quality


def test_a_rank_correlation_is_that_of_ranks():
    up = pd.Series([1.0, 2.0, 4.0, 8.0, 9.0])
    assert selection_quality.rank_correlation(up, up**3).mean == pytest.approx(1)
    mixed = selection_quality.rank_correlation(up, pd.Series([1.0, 3.0, 2.0, 5.0, np.inf]))
    assert mixed.mean == pytest.approx(1 - 6 * 2 / (5 * 24))  # sum of squared differences of ranks is 2
    assert mixed.low < mixed.mean < mixed.high < 1
    tied = selection_quality.rank_correlation(up, pd.Series([np.inf] * 5))
    assert np.isnan(tied.mean)


def test_the_interval_of_a_rank_correlation_covers_what_it_should():
    rng = np.random.default_rng(0)
    draws = [rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=20) for _ in range(400)]
    true = 6 / np.pi * np.arcsin(0.3)  # Spearman's of a normal pair
    found = [selection_quality.rank_correlation(*map(pd.Series, draw.T)) for draw in draws]
    assert 0.93 <= np.mean([one.low <= true <= one.high for one in found]) <= 0.995


@pytest.mark.parametrize(("powers", "expected"), [((-1,), "confirmed"), ((1,), "refuted"), ((-1, 1), "partly")])
def test_hardness_against_updates(powers, expected):
    names = list(selection_quality.COMPARED)
    rows = [
        row("shuffled", 100 * (1 + place) ** power, n=n, hardness=0.1 * place) | {"selection": name}
        for n, power in zip((8, 16), powers, strict=False)
        for place, name in enumerate(names)
    ]
    found = selection_quality.evidence(tables(*rows))
    assert found.verdict == expected
    assert "n = 8 selections" in found.text
    ((name, figure),) = selection_quality.pictures(tables(*rows))
    assert name == "selection_quality"
    assert len(figure.axes) == len(powers)


def test_one_that_gave_up_early_says_nothing():
    names = list(selection_quality.COMPARED)
    rows = [row("shuffled", 900 - 100 * p, hardness=p) | {"selection": name} for p, name in enumerate(names)]
    rows[-1] |= {"updates": np.nan, "low": np.nan, "high": np.nan, "at_most": 50}
    found = selection_quality.evidence(tables(*rows))
    assert "-1 [" in found.text
    assert "n = 7 selections" in found.text
    rows[-1] |= {"at_most": 5000}  # the hardest of all, and it needs more than any other
    assert "n = 8 selections" in selection_quality.evidence(tables(*rows)).text


def test_shares_of_an_exact_pairing():
    rows = [row(name, 100.0 + place) for place, name in enumerate(("shuffled", "spectral", "matching", "spread"))]
    found = selection_quality.evidence(tables(*rows))
    assert "spectral 80%" in found.text
    assert "exact pairing 100%" in found.text
    assert "spread -100%" in found.text


def test_designs_are_told_as_the_exception():
    rows = [row(name, 500.0) for name in ("shuffled", "spectral", "spread")]
    design = row("shuffled", 50.0) | {"selection": "design"}
    assert "(N = 8, gap 0.01: 50 updates against 500)" in selection_quality.evidence(tables(*rows, design)).text
    assert "Hardness is not all" not in selection_quality.evidence(tables(*rows)).text


def test_a_table_without_the_selections_decides_nothing():
    assert selection_quality.evidence(tables(row("full", 10))).verdict == "open"
    assert list(selection_quality.pictures(tables(row("full", 10)))) == []
    assert list(selection_race.pictures(tables(row("full", 10)))) == []
