"""Training at several batch sizes: as many pairs seen, tuned rates, and what a fixed partition leaves."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from synthetic.batch_sizes import BatchSizes, variance_of_negatives
from synthetic.tuning import best_exponents
from theory import fixed_partition_range, optimum, simplex_etf
from training import Run

CPU = torch.device("cpu")
FEW: dict[str, Any] = {"n_pairs": 8, "dim": 8, "epochs": 4, "seeds": 3, "tuning_seeds": 1}


def rows_of(cell, path):
    run = Run.open(path, experiment=cell.kind, config={})
    result = cell.run(run, CPU)
    run.finish(result)
    return result["rows"]


def test_the_best_exponent_has_worse_ones_on_both_sides():
    tried = []

    def score(exponents):
        tried.extend(exponents)
        return [[(e - best) ** 2 for e in exponents] for best in (-5, 1, 4)]

    assert best_exponents(score, range(-1, 3)) == [-5, 1, 4]
    assert len(tried) == len(set(tried)), "none is tried twice"
    assert set(tried) >= {-6, -5, -4, 3, 4, 5}


def test_the_search_ends_where_rates_make_no_sense():
    assert best_exponents(lambda tried: [[-float(e) for e in tried]], range(3)) == [12]
    assert best_exponents(lambda tried: [[float(e) for e in tried]], range(3)) == [-8]
    assert best_exponents(lambda tried: [[0.0 for _ in tried]], [3, 1, 2]) == [3], "the first of equals"


def test_the_variance_is_that_of_all_negatives():
    random = torch.Generator().manual_seed(0)
    u, v = (
        torch.nn.functional.normalize(torch.randn(2, 5, 3, generator=random, dtype=torch.float64), dim=-1)
        for _ in "uv"
    )
    found = variance_of_negatives(u, v)
    for a, b, value in zip(u, v, found, strict=True):
        negatives = [float(a[i] @ b[j]) for i, j in product(range(5), range(5)) if i != j]
        assert float(value) == pytest.approx(np.var(negatives))
    simplex = torch.as_tensor(simplex_etf(5, 5))[None]
    assert float(variance_of_negatives(simplex, simplex)[0]) == pytest.approx(0, abs=1e-15)


def test_a_fixed_partition_ends_in_the_proved_ranges(tmp_path):
    """Lee et al., 2025, Theorem 5.5: the variance of negatives lies in [least, N least]."""
    settings: dict[str, Any] = {"n_pairs": 4, "dim": 4, "epochs": 64, "seeds": 3, "tuning_seeds": 1}
    cell = BatchSizes(temperature=1.0, batch_sizes=(2, 4), selections=("fixed",), **settings)
    N, best = 4, optimum("clip_sum", 4, 4).value
    for row in rows_of(cell, tmp_path):
        B = row["batch_size"]
        if B == N:
            assert (row["selection"], row["gap"], row["variance"]) == ("full", *(pytest.approx(0, abs=1e-3),) * 2)
            continue
        ends = fixed_partition_range(N, B)
        least = (N - B) / ((B - 1) * (N - 1) ** 2)
        assert ends.best - best - 1e-3 < row["gap"] < ends.worst - best + 1e-3
        assert least - 1e-3 < row["variance"] < N * least + 1e-3


def test_every_selection_sees_as_many_pairs(tmp_path):
    cell = BatchSizes(temperature=0.5, batch_sizes=(4, 8), **FEW)
    rows = rows_of(cell, tmp_path / "a")
    assert rows == rows_of(cell, tmp_path / "b"), "repeatable"
    assert len(rows) == (len(cell.selections) + 1) * 3
    assert {row["updates"] * row["batch_size"] for row in rows} == {4 * 8}
    assert {row["selection"] for row in rows if row["batch_size"] == 8} == {"full"}
    assert all(row["gap"] > 0 and row["variance"] > 0 for row in rows)
    assert all(np.log2(row["rate"] / (8 * row["batch_size"] / 16)) % 1 == 0 for row in rows), "powers of two"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_sizes": (3,)}, "must divide n_pairs = 8, .* got 3"),
        ({"seeds": 1}, "at least 2 seeds and 1 tuning seed, got 1 and 1"),
        (
            {"selections": ("shuffled", "full"), "batch_sizes": (2,)},
            "must be 4 batches of 2 pairs, got 1 with 'full'",
        ),
        ({"selections": ("hardest",)}, "hardest"),
    ],
)
def test_refusals(change, message):
    with pytest.raises(ValueError, match=message):
        BatchSizes(**({"temperature": 1.0, "batch_sizes": (2, 4)} | FEW | change))
