"""What the ledger says of every loss: one status, one source, embeddings that attain the value, and good errors."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from losses import PAIR_LOSSES
from theory import LOSS_NAMES, optimum
from theory.formulas.objectives import objective
from theory.formulas.settings import NO_ENTRY, SETTINGS
from theory.ledger.log_sums import all_batches
from theory.ledger.search import search

ROOT = Path(__file__).parents[3]
SIZES = [
    (2, 1, None),
    (4, 3, 3),
    (6, 3, 2),
    (7, 2, None),
    (6, 4, 2),
    (6, 4, None),
    (8, 3, None),
    (5, 1, None),
    (4, 1, 2),
]


@pytest.mark.parametrize("loss", SETTINGS)
@pytest.mark.parametrize(("n_pairs", "dim", "batch_size"), SIZES)
def test_every_entry_is_consistent(loss, n_pairs, dim, batch_size):
    best = optimum(loss, n_pairs, dim, batch_size, 0.4)
    assert best.source
    rounding = 1e-12 * (1 + abs(best.value))
    assert best.value >= best.lower_bound - rounding
    if best.status in ("proved", "lower_bound"):
        assert best.value == best.lower_bound
    if best.status == "lower_bound":
        with pytest.raises(ValueError, match="no embeddings are known to attain this lower bound"):
            best.gram()
        return
    u, v = best.embeddings()
    assert u.shape == v.shape == (n_pairs, dim)
    np.testing.assert_allclose(np.linalg.norm([u, v], axis=-1), 1, atol=1e-9)
    batches = all_batches(n_pairs, batch_size or n_pairs)
    assert objective(loss, 0.4)(u, v, batches)[0] == pytest.approx(best.value, rel=1e-10, abs=1e-12)
    np.testing.assert_allclose(best.gram(), u @ v.T, atol=1e-12)


@pytest.mark.parametrize("loss", SETTINGS)
@pytest.mark.parametrize(("n_pairs", "dim"), [(6, 4)])
def test_nothing_goes_below_the_lower_bound(loss, n_pairs, dim):
    best = optimum(loss, n_pairs, dim, temperature=0.4)
    found = search(loss, n_pairs, dim, temperature=0.4, starts=1)
    assert found.value >= best.lower_bound - 1e-9


def test_a_full_batch_is_a_batch_of_all_pairs():
    for loss in SETTINGS:
        assert optimum(loss, 6, 3, 6, 0.4) == optimum(loss, 6, 3, None, 0.4)


@pytest.mark.parametrize("dim", [4, 5, 8, 20])
def test_embeddings_are_fresh_arrays(dim):
    best = optimum("nt_xent", 8, dim)
    u, v = best.embeddings()
    assert not np.shares_memory(u, v)
    u[:] = 0
    assert best.embeddings()[0].any()


# ---- beyond the simplex


@pytest.mark.parametrize(
    ("loss", "n_pairs", "dim", "temperature", "status", "configuration"),
    [
        ("info_nce", 7, 2, 0.1, "proved", "regular 7-gon"),
        ("dhel_mean", 7, 2, 0.1, "refuted", None),
        ("dhel_mean", 7, 2, 0.3, "conjectured", "regular 7-gon"),
        ("dcl_cross", 6, 2, 0.3, "refuted", None),
        ("clip", 6, 4, 1.0, "conjectured", "orthogonal_simplices"),
        ("clip", 6, 4, 0.1, "refuted", None),
        ("dcl", 12, 3, 0.1, "conjectured", "icosahedron"),
        ("clip", 240, 8, 0.1, "proved", "roots of E8"),
        ("clip", 8, 4, 0.1, "proved", "cross_polytope"),
        ("dcl", 8, 4, 0.1, "proved_if_symmetric_antipodal", "cross_polytope"),
        ("dcl", 240, 8, 0.1, "conjectured", "roots of E8"),
        ("clip", 9, 3, 1.0, "lower_bound", None),
        ("clip", 24, 4, 1.0, "lower_bound", None),
    ],
)
def test_a_natural_candidate_is_conjectured_unless_it_is_refuted(
    loss, n_pairs, dim, temperature, status, configuration
):
    best = optimum(loss, n_pairs, dim, temperature=temperature)
    assert (best.status, best.configuration) == (status, configuration)
    if status == "refuted":
        assert "the natural candidate" in best.note
    if status == "conjectured":
        assert "no proof" in best.source or "too large" in best.source


@pytest.mark.parametrize(
    ("loss", "status"),
    [("clip", "proved"), ("info_nce", "proved"), ("nt_xent", "proved_if_symmetric_antipodal"), ("dcl", "proved")],
)
def test_two_pairs_a_batch_at_the_cross_polytope(loss, status):
    best = optimum(loss, 6, 3, 2, 0.5)
    assert (best.status, best.configuration) == (status, "cross_polytope")
    found = search(loss, 6, 3, batches=all_batches(6, 2), temperature=0.5, starts=3)
    assert found.value == pytest.approx(best.value, abs=1e-9)


def test_over_batches_the_candidates_are_compared_over_all_of_them():
    best = optimum("nt_xent", 8, 5, 3)
    assert (best.status, best.configuration) == ("conjectured", "orthogonal_simplices")
    value = objective("nt_xent")(*best.embeddings(), all_batches(8, 3))[0]
    assert best.value == pytest.approx(value, rel=1e-13)
    assert optimum("nt_xent", 60, 50, 30).status == "lower_bound"  # too many batches to evaluate


def test_flatnce_says_that_it_trains_as_dcl():
    assert "gradient of dcl" in optimum("flatnce", 7, 2, temperature=0.1).note
    assert optimum("flatnce", 7, 2, temperature=0.1) == optimum("nt_xent", 7, 2, temperature=0.1)


def test_a_smaller_design_does_not_suffice_without_the_positive():
    assert "AG(2, 3)" in optimum("dcl", 9, 8, 3).note
    assert not optimum("nt_xent", 9, 8, 3).note


# ---- with a search


def test_starts_turn_a_bound_into_a_conjecture():
    best = optimum("clip", 7, 3, starts=6)
    bound = optimum("clip", 7, 3)
    assert (best.status, bound.status) == ("conjectured", "lower_bound")
    assert best.source.startswith("best of 6 starts")
    assert best.value > best.lower_bound == bound.value
    assert objective("clip")(*best.embeddings())[0] == pytest.approx(best.value, rel=1e-13)


def test_starts_confirm_what_they_do_not_undercut():
    for loss, n_pairs, dim in (("dcl", 8, 4), ("dcl", 7, 2)):
        best = optimum(loss, n_pairs, dim, starts=3, seed=1)
        assert best.value == optimum(loss, n_pairs, dim).value
        assert best.source.endswith("nothing lower in 3 starts of L-BFGS, seed 1")


def test_starts_change_nothing_that_is_proved():
    assert optimum("clip", 8, 7, starts=2) == optimum("clip", 8, 7)


def test_a_search_over_batches_and_with_settings():
    best = optimum("kcl", 5, 3, 3, starts=3, kernel="imq", parameter=1.0, gamma=2.0)
    assert best.status == "conjectured"
    value = objective("kcl", kernel="imq", parameter=1.0, gamma=2.0)(*best.embeddings(), all_batches(5, 3))[0]
    assert best.value == pytest.approx(value, rel=1e-12)


# ---- cost and errors


@pytest.mark.parametrize(
    ("n_pairs", "dim"), [(256, 512), (256, 128), (256, 200), (256, 16), (4096, 2), (196560, 24)]
)
def test_large_sizes_take_no_longer_than_a_second(n_pairs, dim):
    started = time.process_time()
    best = optimum("clip", n_pairs, dim, temperature=0.1)
    assert time.process_time() - started < 1
    assert best.value >= best.lower_bound


def test_every_loss_of_the_package_has_an_entry_or_a_reason():
    assert set(PAIR_LOSSES) <= SETTINGS.keys() | NO_ENTRY.keys()
    assert not SETTINGS.keys() & NO_ENTRY.keys()
    assert set(LOSS_NAMES) <= SETTINGS.keys()


@pytest.mark.parametrize("loss", NO_ENTRY)
def test_a_loss_without_an_entry_says_why(loss):
    with pytest.raises(ValueError, match=rf"loss must be one of info_nce, .*received '{loss}': {loss} ") as error:
        optimum(loss, 4, 4)
    assert NO_ENTRY[loss] in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (("cross_entropy", 4, 4), {}, "loss must be one of .*; received 'cross_entropy'$"),
        (("kcl", 1, 4), {}, "n_pairs must be at least 2, received 1"),
        (("supcon", 4, 0), {}, "dim must be at least 1, received 0"),
        (("siglip", 4, 4, 5), {}, "batch_size must lie between 2 and n_pairs = 4, received 5"),
        (("nce", 4, 4, 1), {}, "batch_size must lie between 2 and n_pairs = 4, received 1"),
        (("siglip", 4, 4, None, -1.0), {}, "temperature must be positive and finite, received -1"),
        (("kcl", 4, 4), {"bias": 1.0}, "kcl has no setting bias; its settings are: kernel, parameter, gamma"),
        (("kcl", 4, 4), {"kernel": "riesz", "parameter": -2.0}, "must be above -2 and not 0"),
        (("kcl", 4, 4), {"parameter": 0.0}, "parameter must be positive"),
        (("clip", 4, 4), {"starts": -1}, "starts must not be negative, received -1"),
        (("clip", 4, 4), {"seed": -1}, "seed must not be negative, received -1"),
        (("clip", 4, 4, None, 1e-200), {}, "all from 1e-100 to 1e100 are taken"),
        (("kcl", 9, 3), {"kernel": "riesz", "parameter": 200.0}, "at most 100, received 200"),
        (
            ("kcl", 9, 3),
            {"kernel": "imq", "parameter": 1e-200},
            "must lie between 0.001 and 1e.06, received 1e-200",
        ),
        (("kcl", 9, 3), {"parameter": 1e-300}, "gaussian kernel must lie between 1e-06 and 1e.06, received 1e-300"),
        (("align_uniform", 9, 3), {"t": 1e-300}, "t must lie between 1e-6 and 1e6, received 1e-300"),
        (("clip", 40, 4, 20), {"starts": 1}, "all batches are written out up to 20,000 of them"),
    ],
)
def test_errors_say_requirement_received_remedy(arguments, settings, message):
    with pytest.raises(ValueError, match=message):
        optimum(*arguments, **settings)


# ---- random starts where the natural candidate is only compared


@pytest.mark.parametrize(
    ("loss", "n_pairs", "dim", "batch_size", "temperature", "found"),
    [
        ("dhel_product", 5, 2, 3, 0.05, -15.2329),
        ("dcl_one_way", 5, 3, 3, 0.05, -20.1306),
        ("dcl", 8, 5, 3, 0.05, -19.3974),
        ("dcl_one_way", 8, 2, 8, 0.1, -1.72664),
    ],
)
def test_random_starts_leave_no_conjecture_that_a_few_of_them_beat(
    loss, n_pairs, dim, batch_size, temperature, found
):
    """Values of an independent search; the natural candidates and descents from them alone end above."""
    started = time.process_time()
    best = optimum(loss, n_pairs, dim, batch_size, temperature)
    assert time.process_time() - started < 2
    assert best.status == "refuted"
    assert best.lower_bound < best.value <= found
    assert "12 random starts" in best.source


def test_the_source_says_how_many_starts_there_were():
    assert "its rivals and 12 random starts: a search" in optimum("dcl", 7, 2).source
    assert "its rivals and 4 random starts: a search" in optimum("clip", 6, 4).source
    assert "random" not in optimum("dcl", 240, 8).source


# ---- types, and values that floats do not hold


def test_what_is_no_size_is_refused_with_the_reason():
    """In a process of its own, without the run-time checks of types that tests have."""
    program = """
from theory import certify, optimum, search, simplex_etf
from theory.bounds import shuffled_coverage, stationarity_bound
nan = float("nan")
for ask in (
    lambda: optimum("clip", 8.5, 4),
    lambda: optimum("clip", nan, 4),
    lambda: optimum("clip", 8, nan),
    lambda: optimum("clip", 8, 4, 2.0),
    lambda: optimum("clip", 8, 4, starts=1.5),
    lambda: search("clip", 8, 4.5),
    lambda: shuffled_coverage(10, 3, nan),
    lambda: stationarity_bound(nan, 1.0, 1.0, [0.1]),
    lambda: stationarity_bound(1.0, 1.0, 1.0, [nan]),
):
    try:
        print("no error", ask())
    except ValueError as error:
        print(error)
x = simplex_etf(4, 3).tolist()
print(abs(certify(x, x, "clip").gap) < 1e-12)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    beginnings = [
        "n_pairs must be an integer, received 8.5",
        "n_pairs must be an integer, received nan",
        "dim must be an integer, received nan",
        "batch_size must be an integer, received 2.0",
        "starts must be an integer, received 1.5",
        "dim must be an integer, received 4.5",
        "epochs must be an integer, received nan",
        "gap must be finite and not negative, received nan",
        "rho, gradient_norm and at least one learning rate must be positive and finite",
        "True",
    ]
    for line, beginning in zip(lines, beginnings, strict=True):
        assert line.startswith(beginning)


@pytest.mark.parametrize("loss", ["info_nce", "siglip", "supcon"])
def test_a_minimum_below_the_smallest_float_is_not_passed_off_as_zero(loss):
    settings = {"bias": 0.0} if loss == "siglip" else {}
    best = optimum(loss, 8, 8, None, 1e-4, **settings)
    assert best.value == 0
    assert best.note.startswith("below the smallest float: the minimum is positive")
    assert "smallest float" not in optimum(loss, 8, 8, **settings).note
