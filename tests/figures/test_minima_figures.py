"""Figures of minimisers: what made-up tables say, and that a table that says otherwise changes the verdict."""

from itertools import product

import pandas as pd
import pytest
from matplotlib.figure import Figure

from figures import beyond, coverage, initialisation, kernels, optima, partitions, polygons, signals, temperatures


def optima_table():
    rows = [
        {"loss": loss, "n_pairs": 8, "dim": dim, "batch_size": size, "sole": sole, "n": 4, "status": "proved"}
        | {"gap_min": 1e-16, "gap_max": 1e-15, "full_gap_max": 1e-15, "distance_max": 1e-7 if sole else 2.0}
        for loss, dim, (size, sole) in product(("clip", "dcl"), (8, 4), ((8, True), (2, False)))
    ]
    return {"optima": pd.DataFrame(rows)}


def partitions_table():
    rows = [
        {"n_pairs": n, "batch_size": 2, "dim": dim, "family": family, "start": start, "least": 0.05, "most": 0.5}
        | {"gap": 0.1 + 0.01 * start if family == "fixed" else 1e-15}
        for n in (4, 6)
        for dim, family, start in product((n // 2, n - 1, n), ("fixed", "all"), range(3))
    ]
    return {"partitions": pd.DataFrame(rows)}


def coverage_table():
    common = {"n_pairs": 9, "batch_size": 3}
    rows = [
        {"family": family, "k": k, "n_batches": 3 * k, "met": k / 4, "least": k // 4, "design": False, "seed": seed}
        | {"gap": 0.1 * k if family == "classes" else 0.5 / k}
        | common
        for family, k, seed in product(("classes", "shuffles", "random"), (1, 2, 3, 4), range(2))
    ]
    table = pd.DataFrame(rows)
    last = (table["family"] == "classes") & (table["k"] == 4)
    table.loc[last, ["design", "gap"]] = [True, 1e-15]
    return {"coverage": table}


def polygons_table():
    rows = []
    for loss, n, t in product(("info_nce", "nt_xent", "dcl"), (6, 7), (0.05, 0.5)):
        below = 0.2 if loss == "dcl" and n == 7 and t == 0.05 else 0.0
        row = {
            "loss": loss,
            "n_pairs": n,
            "temperature": t,
            "polygon": -1.0,
            "below": below,
            "below_aligned": below,
        }
        rows.append(row | {"proved": loss != "dcl", "n": 8})
    return {"polygons": pd.DataFrame(rows)}


def kernels_table():
    losses = (("kcl", "gaussian"), ("kcl", "imq"), ("kcl", "log"), ("info_nce", None), ("nt_xent", None))
    rows = [
        {
            "n_pairs": n,
            "dim": d,
            "loss": loss,
            "kernel": kernel,
            "code": "code",
            "gap_min": 1e-15,
            "reached": 3,
            "n": 4,
        }
        for (n, d), (loss, kernel) in product(((12, 3), (16, 5)), losses)
    ]
    return {"kernels": pd.DataFrame(rows)}


def beyond_table():
    rows = [
        {"loss": loss, "n_pairs": n, "dim": 3, "temperature": 0.5, "relative": 0.0 if n == 6 else 0.05, "n": 8}
        | {"attained": n == 6}
        for loss, n in product(("info_nce", "kcl"), (5, 6, 7))
    ]
    return {"beyond": pd.DataFrame(rows)}


def signals_table():
    errors = {"cross_entropy": 1e-2, "info_nce": 1e-6, "dcl": 1e-7}
    rows = []
    for size, t in product((4, 64), (0.05, 1.0)):
        row = {"spread": "random", "dim": 16, "batch_size": size, "alignment": 0.9, "temperature": t, "n": 4}
        for name, value in (("signal", t * size / 100), ("effective_negatives", t * size)):
            row |= {name: value, f"{name}_low": value / 2, f"{name}_high": value * 2}
        row |= {f"error_{name}_{d}": value for name, value in errors.items() for d in ("float32", "bfloat16")}
        rows.append(row)
    return {"signals": pd.DataFrame(rows)}


def temperatures_table():
    gaps = {"clip": 0.1, "dcl_cross": 0.01, "nt_xent": 0.1, "dcl": 0.01}
    rows = [
        {"loss": loss, "n_pairs": 8, "dim": 8, "batch_size": size, "temperature": t, "updates": 16, "tuned": tuned}
        | {"rate": 0.5, "seed": seed, "gap": gap * (1 + 0.1 * seed)}
        for (loss, gap), size, t, tuned, seed in product(gaps.items(), (2, 4), (0.1, 1.0), (True, False), range(3))
    ]
    return {"temperatures": pd.DataFrame(rows)}


def initialisation_table():
    rows = [
        {"n_pairs": 8, "batch_size": 2, "selection": name, "equal_init": equal, "target": 0.01, "n": 8}
        | {"updates": 50.0 if equal else 100.0, "low": 45.0 if equal else 90.0, "high": 55.0 if equal else 110.0}
        for name, equal in product(("full", "shuffled"), (True, False))
    ]
    return {"initialisation": pd.DataFrame(rows)}


CASES = {
    "optima": (optima, optima_table, {"gap_min": -1.0}, "refuted"),
    "partitions": (partitions, partitions_table, {"most": 0.06}, "refuted"),
    "coverage": (coverage, coverage_table, {"gap": list(range(24))}, "refuted"),
    "polygons": (polygons, polygons_table, {"below": 0.1}, "refuted"),
    "kernels": (kernels, kernels_table, {"reached": 0}, "partly"),
    "beyond": (beyond, beyond_table, {"relative": 0.5}, "open"),
    "signals": (signals, signals_table, {"error_info_nce_float32": 0.5, "signal": 0.1}, "refuted"),
    "temperatures": (temperatures, temperatures_table, {"gap": 0.1}, "open"),
    "initialisation": (initialisation, initialisation_table, {"low": 1.0, "high": 900.0}, "open"),
}


TOLD = {
    "optima": [
        ["lowest value less the proved minimum", "4", "1.0e-16", "1.0e-16"],
        ["one optimum: distance from it in U V^T, worst start", "2", "1.0e-07", "1.0e-07"],
        ["other optima known: full batch's gap, worst start", "2", "1.0e-15", "1.0e-15"],
    ],
    "partitions": [
        ["all C(N, B)", "d >= N - 1", "every start", "12", "1e-15", "1e-15"],
        ["all C(N, B)", "d = N / 2", "best start of each N, B", "2", "1e-15", "1e-15"],
        ["fixed partition", "d = N / 2", "every start", "6", "0.1", "0.12"],
    ],
    "coverage": [
        ["classes of the design", "9", "+1.00", "6", *["–"] * 3],
        ["random batches, all different", "9", "-1.00", "8", "0.125", "[0.125, 0.125]", "2"],
        ["the whole design", "9", "–", "–", "1.0e-15", "[1.0e-15, 1.0e-15]", "2"],
    ],
    "polygons": [["info_nce", "0 of 4", "–", "–", "4 of 4"], ["dcl", "1 of 4", "0.2", "7", "0 of 4"]],
    "kernels": [["InfoNCE", "75%", "[35%, 97%]", "8", "0 of 2", "–"]],
    "beyond": [["InfoNCE", "2", "5.0%", "5.0%", "N = 5, d = 3", "2 of 2"]],
    "signals": [["0.05", "4", "0.002", "[0.001, 0.004]", "4"], ["1", "64", "0.64", "[0.32, 1.28]", "4"]],
    "temperatures": [
        ["dcl over nt_xent", "2", *["-1 [-1, -1]"] * 2],
        ["dcl_cross over clip", "4", *["-1 [-1, -1]"] * 2],
    ],
    "initialisation": [["8, 2", "shuffled", "0.01", "50", "[45, 55]", "100", "[90, 110]", "8"]],
}
"""Rows of evidence that follow from the made-up tables; intervals of 6 of 8 by Clopper and Pearson's table."""


@pytest.mark.parametrize("name", CASES)
def test_the_evidence_follows_the_table(name):
    module, make, change, verdict = CASES[name]
    assert module.CLAIM.endswith(".")
    assert (name,) == module.TABLES
    found = module.evidence(make())
    assert found.verdict == "confirmed", found.text
    assert "nan" not in found.text
    other = module.evidence({name: make()[name].assign(**change)})
    assert other.verdict == verdict, other.text
    assert other.text != found.text


@pytest.mark.parametrize("name", CASES)
def test_the_figure_is_drawn(name):
    module, make, *_ = CASES[name]
    ((found, figure),) = module.pictures(make())
    assert found == name
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    assert len(figure.get_supxlabel()) > 50


@pytest.mark.parametrize("name", TOLD)
def test_the_evidence_shows_the_numbers_that_the_verdict_rests_on(name):
    module, make, *_ = CASES[name]
    rows = [list(row) for row in module.evidence(make()).table]
    assert len(rows[0]) == len(set(rows[0])) or name in ("coverage", "initialisation"), "intervals and n may repeat"
    for row in TOLD[name]:
        assert row in rows


def test_a_table_without_what_is_compared_decides_nothing():
    assert (
        partitions.evidence({"partitions": partitions_table()["partitions"].query("family == 'all'")}).verdict
        == "open"
    )
    assert (
        initialisation.evidence(
            {"initialisation": initialisation_table()["initialisation"].query("equal_init")}
        ).verdict
        == "open"
    )
    assert (
        temperatures.evidence(
            {"temperatures": temperatures_table()["temperatures"].query("loss == 'clip'")}
        ).verdict
        == "open"
    )


def test_ratios_are_paired_by_seed():
    (first, *_) = temperatures.ratios(temperatures_table()["temperatures"], tuned=True)
    loss, size, temperature, found = first
    assert (loss, size, temperature, found.n) == ("dcl_cross", 2, 0.1, 3)
    assert (found.mean, found.std) == (pytest.approx(-1), pytest.approx(0, abs=1e-12))
