"""Races of selections: what their figures say about a table, and that they say it of what the table holds."""

import numpy as np
import pandas as pd
import pytest

from figures import selection_quality, selection_race

PROBLEM = {"dim": 8, "loss": "clip_sum", "temperature": 1.0, "equal_init": False, "dtype": "float64"}
HARDNESS = {"shuffled": 0.45, "spectral": 0.57, "matching": 0.6, "spread": 0.3, "osgd": 0.7}


def row(selection, updates, *, target=0.01, seconds_each=1e-6, n=8, low=0.9, high=1.1, **more):
    """Of selection_needed.csv; updates None for 1,000 that were not enough."""
    found = {"updates": updates, "low": updates and updates * low, "high": updates and updates * high}
    seconds = {"seconds": "updates", "seconds_low": "low", "seconds_high": "high"}
    settings = {"n_pairs": n, "dim": n, "batch_size": 2, "selection": selection, "decay": "constant"}
    arm = {"candidates": 0, "keep": 1, "given_rate": 0.0, "target": target}
    run = {"at_most": 1000, "rate": 1.0, "n": 32, "update_seconds": seconds_each, "side_by_side": 96}
    hard = {"hardness": HARDNESS.get(selection), "hardness_random": 0.45, "hardness_exact": 0.6}
    times = {name: found[of] and found[of] * seconds_each for name, of in seconds.items()}
    return PROBLEM | settings | arm | run | hard | found | times | more


def tables(*rows):
    return {"selection_needed": pd.DataFrame(rows)}


# ---- the race


def test_fewer_updates_but_more_time_is_part_of_the_claim():
    found = selection_race.evidence(tables(row("shuffled", 500), row("spectral", 50, seconds_each=1e-4)))
    assert found.verdict == "partly"
    assert "gap 0.01, fewer updates in 1 of 1 (0 more), less time in 0 of 1 (1 more)" in found.text
    assert "n = 32 seeds" in found.text
    (cells,) = found.table[1:]
    assert cells[:3] == ["8", "2", "spectral"]
    assert cells[3].startswith("10 [")
    assert cells[4].startswith("0.1 [")


def test_fewer_updates_and_less_time_is_the_claim():
    faster = tables(row("shuffled", 500), row("matching", 50), row("osgd", 20))
    assert selection_race.evidence(faster).verdict == "confirmed"
    slower = tables(row("shuffled", 50), row("matching", 500))
    assert selection_race.evidence(slower).verdict == "refuted"


def test_what_is_not_reached_is_a_bound():
    found = selection_race.evidence(tables(row("shuffled", None), row("spectral", 100)))
    assert found.verdict == "confirmed"
    assert found.table[1][3] == "> 9.09"  # at least 1,000 updates over at most 110
    found = selection_race.evidence(tables(row("shuffled", 100), row("spectral", None)))
    assert found.verdict == "refuted"
    assert found.table[1][3] == "< 0.11"
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
    assert [cells[2] for cells in found.table[1:]] == ["Ordered SGD", "Ordered SGD, a sample"]
    assert [cells[3].split()[0] for cells in found.table[1:]] == ["25", "12.5"]
    assert found.text.endswith("A sample: Ordered SGD keeps 8 of 80 random batches.")
    ((name, figure),) = selection_race.pictures(tables(row("shuffled", 500), row("osgd", 20), some))
    assert name == "selection_race"
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["Ordered SGD", "Ordered SGD, a sample"]


def marks(axis):
    """Shape, whether it is filled, and place of every mark of a panel."""
    return [
        (line.get_marker(), line.get_markerfacecolor() != "white", pytest.approx(line.get_xdata()[0], rel=1e-9))
        for line in axis.lines
        if line.get_marker() in ("o", "D")
    ]


def test_the_picture_has_a_panel_for_every_problem_with_small_batches_first():
    rows = [
        row(name, updates, n=n, batch_size=b)
        for n, b in ((16, 4), (8, 2), (16, 2))
        for name, updates in (("shuffled", 500), ("spectral", 50), ("random", 400))
    ]
    ((_, figure),) = selection_race.pictures(tables(*rows))
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == ["N = 8, B = 2", "N = 16, B = 2", "N = 16, B = 4"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["spectral"]


def test_numbers_are_filled_and_bounds_are_open():
    rows = [row("shuffled", 500), row("spectral", 50, seconds_each=1e-4), row("full", None)]
    ((_, figure),) = selection_race.pictures(tables(*rows))
    (axis,) = figure.axes
    bounds, numbers = marks(axis)[:2], marks(axis)[2:]
    assert numbers == [("o", True, 10), ("D", True, 0.1)]
    assert bounds == [("o", False, 0.55), ("D", False, 0.55)]  # at most 550 over at least 1,000
    pointing = [text.xy[0] < text.xyann[0] for text in axis.texts]
    assert pointing == [True, True]  # the full batch may need more still
    nothing = tables(row("shuffled", None), row("spectral", None))
    assert marks(next(selection_race.pictures(nothing))[1].axes[0]) == []


def test_every_gap_has_a_picture():
    rows = [row(name, 50, target=target) for name in ("shuffled", "osgd") for target in (0.1, 0.01, 0.001)]
    drawn = dict(selection_race.pictures(tables(*rows)))
    assert list(drawn) == ["selection_race_gap0.1", "selection_race", "selection_race_gap0.001"]
    assert "gap to the optimum is 0.001" in " ".join(drawn["selection_race_gap0.001"].get_supxlabel().split())


@pytest.mark.parametrize("scale", [2, 4])
def test_no_words_of_the_picture_overlap(scale):
    names = ("shuffled", "osgd", "spectral", "balanced", "graph", "matching", "full", "design")
    rows = [
        row(name, 10.0 ** (3 - place / scale), n=n, batch_size=b)
        for n, b in ((8, 2), (16, 2), (32, 2), (64, 2), (16, 4))
        for place, name in enumerate(names)
    ]
    ((_, figure),) = selection_race.pictures(tables(*rows))
    figure.draw_without_rendering()
    words = [figure.legends[0], figure._supxlabel, *(axis.title for axis in figure.axes)]
    words += [axis._left_title for axis in figure.axes if axis.get_visible()]
    low, high = figure.axes[0].get_xlim()
    for axis in figure.axes[:5]:
        words += [one for one in axis.get_xticklabels() if low <= one.get_position()[0] <= high]
        words += axis.get_yticklabels()
    boxes = [word.get_window_extent() for word in words if not hasattr(word, "get_text") or word.get_text()]
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:place])


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
    assert {cells[-1] for cells in found.table[1:]} == {"8"}
    ((name, figure),) = selection_quality.pictures(tables(*rows))
    assert name == "selection_quality"
    assert len(figure.axes) == len(powers)


def test_one_that_gave_up_early_says_nothing():
    names = list(selection_quality.COMPARED)
    rows = [row("shuffled", 900 - 100 * p, hardness=p) | {"selection": name} for p, name in enumerate(names)]
    rows[-1] |= {"updates": np.nan, "low": np.nan, "high": np.nan, "at_most": 50}
    found = selection_quality.evidence(tables(*rows))
    assert found.table[1][3] == "-1"
    assert found.table[1][-1] == "7"
    rows[-1] |= {"at_most": 5000}  # the hardest of all, and it needs more than any other
    assert selection_quality.evidence(tables(*rows)).table[1][-1] == "8"


def test_races_are_compared_as_far_as_all_went():
    names = list(selection_quality.COMPARED)
    rows = [row("shuffled", 100 + 100 * p, hardness=-p) | {"selection": name} for p, name in enumerate(names)]
    missed = {"updates": np.nan, "low": np.nan, "high": np.nan, "at_most": 600}
    rows[0] |= missed  # it may need 601, or more than the two that need 700 and 800
    found = selection_quality.evidence(tables(*rows)).table[1]
    expected = selection_quality.rank_correlation(
        pd.Series([-p for p in range(8)]), pd.Series([9, 2, 3, 4, 5, 6, 9, 9])
    )
    assert found[3] == f"{expected.mean:+.2g}"
    assert found[-1] == "8"


def test_shares_of_an_exact_pairing():
    rows = [row(name, 100.0 + place) for place, name in enumerate(("shuffled", "spectral", "matching", "spread"))]
    found = selection_quality.evidence(tables(*rows))
    assert "spectral 80%" in found.text
    assert "exact pairing 100%" in found.text
    assert "spread -100%" in found.text


def test_designs_are_told_as_the_exception():
    rows = [row(name, 500.0) for name in ("shuffled", "spectral", "spread")]
    design = row("shuffled", 50.0) | {"selection": "design"}
    assert "fewer updates in 1 of 1 cases" in selection_quality.evidence(tables(*rows, design)).text
    slower = design | {"updates": 600.0}
    assert "fewer updates in 0 of 1 cases" in selection_quality.evidence(tables(*rows, slower)).text
    assert "Hardness is not all" not in selection_quality.evidence(tables(*rows)).text


def test_a_table_without_the_selections_decides_nothing():
    assert selection_quality.evidence(tables(row("full", 10))).verdict == "open"
    assert list(selection_quality.pictures(tables(row("full", 10)))) == []
    assert list(selection_race.pictures(tables(row("full", 10)))) == []
