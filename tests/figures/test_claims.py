"""What claims come to: of made-up tables, where it is known, and of the committed ones, computed otherwise."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from figures.evidence import Evidence
from figures.registry import FIGURES


@pytest.mark.parametrize("name", FIGURES)
def test_evidence_is_a_few_sentences_and_a_small_table(name):
    """People look rather than read: no wall of numbers."""
    entry = FIGURES[name]
    if entry.missing():
        pytest.skip(f"no table without `{entry.command}`")
    found = entry.evidence(entry.read())
    assert len(found.text) <= 500, found.text
    assert len(found.table) <= 1 + 24, "a header and rows that are seen at a glance"
    assert found.table or found.verdict == "open", "what decides is shown"
    told = " ".join([found.text, *(cell for row in found.table for cell in row)])
    assert not re.search(r"\bnan\b|\binf\b", told)


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
    assert list(found.table[1]) == ["9", "8", "4", *(f"{gap:.2g}" for gap in gaps[:2]), "64", f"{gaps[2]:.2g}"]


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
    ("shuffled", "design", "says", "cell"),
    [
        (8000, 1000, "confirmed", "8 [6.9"),
        (2000, 1000, "open", "2 [1.7"),
        (1000, 1000, "refuted", "1 [0.8"),
        (None, 1000, "confirmed", "> 8.1"),
    ],
)
def test_race(shuffled, design, says, cell):
    """Intervals of 10 % on both sides; one that never arrived bounds the ratio from below."""
    found = FIGURES["race"].evidence({"race_needed": _needed(shuffled, design), "race_curves": pd.DataFrame()})
    assert found.verdict == says
    (row,) = found.table[1:]
    assert list(row[:2]) == ["25, 5", "0.01"]
    assert row[2].startswith(cell)
    assert row[3] == "–", "no race with a decay"


def test_a_race_that_no_design_ends_decides_nothing():
    tables = {"race_needed": _needed(1000, None), "race_curves": pd.DataFrame()}
    assert FIGURES["race"].evidence(tables) == Evidence(
        "open", "No target has been reached with a design in this table."
    )


def test_gaps_at_the_end_are_compared_as_scipy_does():
    entry = FIGURES["gap_curves"]
    tables = entry.read()
    rows = {(row[0], row[1]): row for row in entry.evidence(tables).table[1:]}
    results = tables["synthetic_results"].query("n_pairs == 8 and dim == 16").set_index("selection")
    summaries = [
        results.loc[name, ["gap_mean", "gap_std", "n_seeds"]].astype(float) for name in ("osgd", "shuffled")
    ]
    theirs = stats.ttest_ind_from_stats(*(x for one in summaries for x in one), equal_var=False)
    row = rows["N = 8, d = 16, B = 2", "Ordered SGD"]
    low, high = (float(x) for x in row[5].strip("[]").split(", "))
    change = summaries[0]["gap_mean"] - summaries[1]["gap_mean"]
    assert row[2:5] == [f"{summaries[0]['gap_mean']:.3g}", "64", f"{change:+.3g}"]
    assert (low < 0) == (high < 0) == (theirs.pvalue < 0.05)
    assert (low + high) / 2 == pytest.approx(change, rel=2e-3)
    curves = tables["synthetic_curves"].query("n_pairs == 8 and dim == 16").sort_values("update")
    goal = curves.query("selection == 'shuffled'")["gap_median"].iloc[-1]
    first = curves.loc[(curves["selection"] == "osgd") & (curves["gap_median"] <= goal), "update"].iloc[0]
    assert row[6] == f"{first:,}"
    assert rows["N = 8, d = 16, B = 2", "fixed partition"][6] == "not in 8,000"


def test_distances_are_of_the_nearer_less_the_farther():
    entry = FIGURES["heatmaps"]
    tables = entry.read()
    found = entry.evidence(tables)
    ends = tables["synthetic_results"].query("dim == 4").set_index("selection")["distance_mean"]
    (row,) = [row for row in found.table if row[:3] == ["N = 8, d = 4, B = 2", "full batch", "shuffled"]]
    assert row[3] == f"{ends['full'] - ends['shuffled']:+.3g}"
    decided = [row for row in found.table[1:] if row[4].startswith("[-") and ", -" in row[4]]
    assert f"{len(decided)} of {len(found.table) - 1} as claimed" in found.text


def test_grams_of_pairs_that_never_meet():
    n = 4
    rows = []
    for k, together_at in ((2, 1.0), (3, -1 / 3)):
        for i in range(n):
            for j in range(n):
                value = 1.0 if i == j else together_at if i // 2 == j // 2 else -0.5 if k == 2 else -1 / 3
                rows.append({"n_pairs": n, "batch_size": 2, "k": k, "i": i, "j": j, "value": value})
    grams = pd.DataFrame(rows)
    found = FIGURES["sufficiency_grams"].evidence({"sufficiency_grams": grams})
    assert found.verdict == "confirmed"
    assert [list(row) for row in found.table[1:]] == [
        ["2", "that never meet", "4", "1.0000", "1.0000"],
        ["2", "others", "8", "-0.5000", "-0.5000"],
        ["3", "all", "12", "-0.3333", "-0.3333"],
    ]
    grams.loc[(grams["k"] == 3) & (grams["i"] != grams["j"]), "value"] = 0.0
    assert FIGURES["sufficiency_grams"].evidence({"sufficiency_grams": grams}).verdict == "partly"


def test_trainings(vision_tables):
    """The made-up runs: every selection but shuffled is better by 0.02 to 0.05, and its plans harder by 0.5."""
    tables = dict(zip(("vision_results", "vision_curves"), vision_tables, strict=True))
    title = "cifar100, cifar stem, 32 pixels, N = 320, B = 32, temperature 0.1, 2 epochs"
    for kind in ("losses", "accuracy", "batches"):
        found = FIGURES[f"vision_{kind}"].evidence(tables)
        assert found.verdict == "confirmed", found
        assert "4 of 4 intervals above 0 and 0 below" in found.text
        assert "(Bonferroni), as in the verdict, 4 of 4 as claimed" in found.text
        (row,) = found.table[1:]
        assert list(row[:4]) == [title, "4 of 4", "0 of 4", "3"]
        assert row[4] <= row[6], "from the least to the largest"
    assert list(row[4:]) == ["+0.5", "[0.5, 0.5]", "+0.5", "[0.5, 0.5]"], "plans harder by 0.5 at every seed"
    equal = tables["vision_results"].assign(knn_top1=0.5, probe_top1=np.nan)
    assert FIGURES["vision_losses"].evidence(tables | {"vision_results": equal}).verdict == "open"
