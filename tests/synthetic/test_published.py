"""The published figures on free embeddings: their numbers come out, and what can be written in closed form."""

import itertools
import math

import numpy as np
import pytest
import torch

from synthetic.landscape import Landscape, lowest, turned
from synthetic.norm_curves import NormCurves
from synthetic.presets.published import SIZES, STUDIES
from synthetic.trajectories import trajectories
from theory import simplex_etf, simplex_etf_gram
from training import Run

CPU = torch.device("cpu")
FEW = {"n_pairs": 4, "dim": 4, "batch_size": 2, "seeds": 5, "epochs": 30, "points_per_doubling": 8}


def result_of(cell, path):
    return cell.run(Run.open(path, experiment=cell.kind, config={}), CPU)


def minima(rows):
    return {(row["family"], row["partner"]): row for row in rows if row["lowest"]}


def test_figure_1a_has_its_published_ends(tmp_path):
    """Read from the picture: full batch 1.535 .. 1.742, mini-batches 1.460 .. 1.966, give or take a line."""
    rows = result_of(Landscape(points="polygon", loss="info_nce", step=180.0), tmp_path)["rows"]
    at = {(row["family"], row["degrees"]): row["value"] for row in rows if not row["partner"]}
    assert at["full", 0] == pytest.approx(1.5385, abs=1e-4)
    assert at["full", 180] == pytest.approx(1.7385, abs=1e-4) == at["full", -180]
    assert 4.5 * at["all", 0] == pytest.approx(1.4626, abs=1e-4)
    assert 4.5 * at["all", 180] == pytest.approx(1.9626, abs=1e-4)


def test_every_value_is_the_loss_of_a_naive_loop(tmp_path):
    """At 45 degrees: -log of the softmax over a batch, u to v, with all that a batch has."""
    rows = result_of(Landscape(points="polygon", loss="info_nce", n_pairs=6, batch_size=3, step=45.0), tmp_path)[
        "rows"
    ]
    at = {(row["family"], row["partner"]): row["value"] for row in rows if row["degrees"] == 45}
    v = [(math.cos(k * math.pi / 3), math.sin(k * math.pi / 3)) for k in range(6)]
    u = [(math.cos(math.pi / 4), math.sin(math.pi / 4)), *v[1:]]

    def mean(batches):
        terms = []
        for batch in batches:
            for i in batch:
                e = {j: math.exp(u[i][0] * v[j][0] + u[i][1] * v[j][1]) for j in batch}
                terms.append(-math.log(e[i] / sum(e.values())))
        return sum(terms) / len(terms)

    assert at["full", 0] == pytest.approx(mean([range(6)]), abs=1e-12)
    assert at["all", 0] == pytest.approx(mean(itertools.combinations(range(6), 3)), abs=1e-12)
    for partner, batches in ((1, ([0, 1, 2], [3, 4, 5])), (2, ([0, 2, 1], [3, 4, 5])), (3, ([0, 3, 1], [2, 4, 5]))):
        assert at["fixed", partner] == pytest.approx(mean(batches), abs=1e-12)


def test_a_partner_at_an_angle_turns_u_away_by_90_degrees_less_half_of_it(tmp_path):
    found = minima(result_of(Landscape(points="polygon", loss="info_nce", step=0.0), tmp_path)["rows"])
    assert found["full", 0]["degrees"] == found["all", 0]["degrees"] == 0
    for k in range(1, 6):
        row = found["fixed", k]
        assert row["partner_degrees"] == pytest.approx(36 * k)
        assert row["degrees"] == pytest.approx(36 * k / 2 - 90, abs=2e-3)


def test_in_the_simplex_only_partitions_have_their_minimum_elsewhere(tmp_path):
    """c = -1/9 of two points, u_1 moves in the plane of the first two: u_1.(v_1 - v_3) is most at atan(-c/s)."""
    found = minima(result_of(Landscape(points="simplex", loss="info_nce", dim=16, step=0.0), tmp_path)["rows"])
    assert found["full", 0]["degrees"] == found["all", 0]["degrees"] == 0
    angle = math.acos(-1 / 9)
    assert found["fixed", 1]["degrees"] == pytest.approx(math.degrees(angle) / 2 - 90, abs=2e-3)
    assert found["fixed", 2]["degrees"] == pytest.approx(math.degrees(math.atan(1 / 9 / math.sin(angle))), abs=2e-3)


def test_a_turn_keeps_lengths_and_other_points():
    x = simplex_etf(5, 7)
    u = turned(x, 30.0)
    assert np.linalg.norm(u, axis=1) == pytest.approx(1)
    assert math.degrees(math.acos(u[0] @ x[0])) == pytest.approx(30)
    assert u[0] @ x[1] > x[0] @ x[1], "towards the second point"
    assert (u[1:] == x[1:]).all()


@pytest.mark.parametrize("at", [-179.9, -33.333, 0.0, 91.25])
def test_the_lowest_angle_is_found(at):
    found, value = lowest(lambda degrees: -math.cos(math.radians(degrees - at)))
    assert found == pytest.approx(at, abs=1e-3)
    assert value == pytest.approx(-1)


def test_distances_are_those_to_the_simplex(tmp_path):
    """With u and v in hand, |U V^T - G| is what the cell tells, also at the start."""
    result = result_of(NormCurves(**FEW, selections=("full",)), tmp_path)
    cell, gram = NormCurves(**FEW), simplex_etf_gram(4)

    def naive(u, v):
        return np.array([np.linalg.norm(a.numpy() @ b.numpy().T - gram) for a, b in zip(u, v, strict=True)])

    settings = {"rates": [0.5], "seeds": range(5), "epochs": 30}
    found = trajectories(cell, "full", **settings, watch={"distance": naive})
    assert [row["update"] for row in result["rows"]] == found.updates.tolist()
    medians = np.median(found.watched["distance"][:, 0], axis=1)
    assert [row["distance_median"] for row in result["rows"]] == pytest.approx(medians)
    assert [row["gap_median"] for row in result["rows"]] == pytest.approx(found.medians[:, 0])
    start = np.median(naive(*cell.start(torch.arange(5), None).embed(None)))
    for needed in result["needed"]:
        assert needed["start"] == pytest.approx(start)
        reached = found.updates[medians <= needed["share"] * start]
        assert needed["updates"] is None if not len(reached) else needed["updates"] <= reached[0]
    assert result["needed"][0]["updates"] > 1


def test_hard_batches_come_near_and_shuffles_do_not(tmp_path):
    """4 pairs in 8 dimensions: Ordered SGD is at a tenth of the first distance after 110 updates of 64 seeds."""
    cell = NormCurves(n_pairs=4, dim=8, batch_size=2, seeds=8, epochs=110, selections=("shuffled", "osgd"))
    needed = {(row["selection"], row["share"]): row for row in result_of(cell, tmp_path)["needed"]}
    assert needed["shuffled", 0.1]["updates"] is None
    assert needed["shuffled", 0.1]["at_most"] == 220
    assert 80 < needed["osgd", 0.1]["low"] <= needed["osgd", 0.1]["updates"] <= needed["osgd", 0.1]["high"] < 180


def test_a_killed_cell_goes_on_with_the_next_selection(tmp_path, monkeypatch):
    cell = NormCurves(**FEW, shares=(0.5,), selections=("full", "shuffled"))
    whole = result_of(cell, tmp_path / "whole")
    compute, trained = NormCurves._rows, []

    def once(self, selection, device):
        trained.append(selection)
        if trained == ["full", "shuffled"]:
            raise KeyboardInterrupt
        return compute(self, selection, device)

    monkeypatch.setattr(NormCurves, "_rows", once)
    with pytest.raises(KeyboardInterrupt):
        result_of(cell, tmp_path / "killed")
    assert result_of(cell, tmp_path / "killed") == whole
    assert trained == ["full", "shuffled", "shuffled"]


def test_the_studies_have_the_published_settings():
    cells = STUDIES["published-curves"].cells
    assert [(cell.n_pairs, cell.dim) for cell in cells.values()] == list(SIZES)
    assert {(cell.batch_size, cell.learning_rate, cell.epochs, cell.loss) for cell in cells.values()} == {
        (2, 0.5, 500, "clip_sum")
    }
    first = STUDIES["landscape"].cells["polygon-one-direction"]
    assert (first.n_pairs, first.batch_size, first.dim) == (10, 2, 2)


def test_studies_tell_their_findings_as_tables(tmp_path):
    cell = NormCurves(**FEW, selections=("full", "fixed"))
    header, rows = STUDIES["published-curves"].table({"few": result_of(cell, tmp_path / "few")})
    assert [row[:3] for row in rows] == [
        ["few", name, share] for name in ("full", "fixed") for share in ("0.5", "0.1")
    ]
    assert rows[-1][3] == "> 60", "a fixed partition does not arrive"
    assert len(header) == len(rows[0])
    few = {"few": result_of(Landscape(points="polygon", loss="info_nce", n_pairs=4, step=0.0), tmp_path / "land")}
    header, rows = STUDIES["landscape"].table(few)
    assert [row[2] for row in rows] == ["full", "all", "fixed", "fixed"]
    assert rows[2][3:5] == ["90.0", "-45.000"]
    assert float(rows[2][6]) > 0 == float(rows[3][6])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Landscape(points="polygon", loss="clip", dim=3), "needs dim = 2"),
        (lambda: Landscape(points="simplex", loss="clip", dim=8), "dim >= n_pairs - 1 = 9"),
        (lambda: Landscape(points="polygon", loss="clip", batch_size=4), "must divide n_pairs = 10"),
        (lambda: Landscape(points="polygon", loss="clip", batch_size=10), "must divide n_pairs = 10"),
        (lambda: Landscape(points="polygon", loss="clip", step=7.0), "must divide 180"),
        (lambda: NormCurves(n_pairs=8, dim=5, batch_size=2), "nothing to be near to"),
        (lambda: NormCurves(**FEW | {"seeds": 1}), "at least 2 seeds"),
        (lambda: NormCurves(**FEW, shares=(0.5, 1.0)), "shares between 0 and 1"),
        (lambda: NormCurves(**FEW, selections=("sorted",)), "sorted"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
