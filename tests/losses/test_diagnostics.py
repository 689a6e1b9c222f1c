"""What a batch says about training, against double loops and where the answer is known."""

import math

import numpy as np
import pytest
import torch

from losses import Diagnostics, dcl_cross, diagnostics, effective_rank, info_nce
from theory import simplex_etf

PRECISIONS = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


def naive(u, v, tau):
    """Every field of `Diagnostics`, from numpy rows."""
    n = len(u)
    s = [[float(u[i] @ v[j]) for j in range(n)] for i in range(n)]
    negatives = [[s[i][j] for j in range(n) if j != i] for i in range(n)]
    every = [x for row in negatives for x in row]
    mean = sum(every) / len(every)
    weights = [[math.exp(x / tau) for x in row] for row in negatives]
    uniformity = []
    for x in (u, v):
        energies = [math.exp(-2 * sum((x[i] - x[j]) ** 2)) for i in range(n) for j in range(n) if i != j]
        uniformity.append(math.log(sum(energies) / len(energies)))
    singular = np.linalg.svd(u, compute_uv=False)
    share = [x / sum(singular) for x in singular if x > 0]
    return {
        "accuracy": sum(s[i][i] > max(negatives[i]) for i in range(n)) / n,
        "positive_probability": sum(
            math.exp(s[i][i] / tau) / (math.exp(s[i][i] / tau) + sum(weights[i])) for i in range(n)
        )
        / n,
        "effective_negatives": sum(sum(w) ** 2 / sum(x * x for x in w) for w in weights) / n,
        "negative_mean": mean,
        "negative_variance": sum((x - mean) ** 2 for x in every) / len(every),
        "alignment": sum(float(sum((u[i] - v[i]) ** 2)) for i in range(n)) / n,
        "uniformity": sum(uniformity) / 2,
        "effective_rank": math.exp(-sum(p * math.log(p) for p in share)),
    }


@pytest.mark.parametrize(("n", "dim"), [(2, 3), (9, 4), (5, 12)])
@pytest.mark.parametrize("tau", [1.0, 0.1])
def test_every_field_equals_the_double_loop(n, dim, tau, unit_pairs):
    u, noise = unit_pairs(n, dim)
    v = torch.nn.functional.normalize(u + 0.7 * noise, dim=-1)
    found = diagnostics(u, v, temperature=tau)
    expected = naive(u.numpy(), v.numpy(), tau)
    assert set(found._fields) == expected.keys()
    for name, value in expected.items():
        assert getattr(found, name).item() == pytest.approx(value, rel=1e-11, abs=1e-12), name


@pytest.mark.parametrize("chunk_size", [1, 4, 11, 100])
def test_chunks_change_nothing(chunk_size, unit_pairs):
    u, v = unit_pairs(11, 5)
    whole = diagnostics(u, v, temperature=0.2)
    parts = diagnostics(u, v, temperature=0.2, chunk_size=chunk_size)
    torch.testing.assert_close(list(parts), list(whole), rtol=1e-12, atol=1e-13)


def test_numbers_without_gradients_ready_for_a_log(unit_pairs):
    u, v = (x.bfloat16().requires_grad_() for x in unit_pairs(6, 4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = diagnostics(u, v, temperature=0.2)
    for value in found:
        assert value.shape == ()
        assert value.dtype == torch.float32
        assert not value.requires_grad
    logged = found.floats()
    assert tuple(logged) == Diagnostics._fields
    assert all(type(value) is float for value in logged.values())
    exact = diagnostics(u.detach().double(), v.detach().double(), temperature=0.2).floats()
    assert logged == pytest.approx(exact, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("tau", [10.0, 0.1, 1e-3])
def test_effective_negatives_lie_between_one_and_all(tau, unit_pairs):
    for seed in range(5):
        u, v = unit_pairs(17, 4, seed=seed)
        found = diagnostics(u, v, temperature=tau).effective_negatives.item()
        assert 1 - 1e-12 <= found <= 16 + 1e-12
    assert (found > 15.5) == (tau == 10)
    assert (found < 1.5) == (tau == 1e-3)


@PRECISIONS
@pytest.mark.parametrize("n", [5, 33, 64])
@pytest.mark.parametrize("dim", [7, 64, 300])
@pytest.mark.parametrize("chunk_size", [None, 3])
def test_a_collapse_is_seen(n, dim, chunk_size, dtype, unit_pairs):
    # A product and a sum over one row round differently: compared with each other, all anchors might be "right".
    u = unit_pairs(1, dim, dtype=dtype)[0].repeat(n, 1)
    found = diagnostics(u, u, temperature=0.1, chunk_size=chunk_size).floats()
    assert found["accuracy"] == 0
    assert found["effective_rank"] == pytest.approx(1, abs=1e-4)
    assert found["effective_negatives"] == pytest.approx(n - 1, rel=1e-4)
    assert found["positive_probability"] == pytest.approx(1 / n, rel=1e-4)
    assert found["negative_variance"] == pytest.approx(0, abs=1e-6)
    assert found["uniformity"] == pytest.approx(0, abs=1e-5)
    assert found["alignment"] == 0


@PRECISIONS
def test_the_simplex_has_what_theory_proves(dtype):
    n = 6
    u = torch.from_numpy(simplex_etf(n, 9)).to(dtype)
    found = diagnostics(u, u, temperature=0.2).floats()
    precision = {"abs": 1e-12 if dtype == torch.float64 else 1e-6}
    assert found["accuracy"] == 1
    assert found["negative_mean"] == pytest.approx(-1 / (n - 1), **precision)
    assert found["negative_variance"] == pytest.approx(0, **precision)
    assert found["effective_negatives"] == pytest.approx(n - 1, rel=1e-6)
    assert found["effective_rank"] == pytest.approx(n - 1, rel=1e-6)
    assert found["alignment"] == 0
    assert found["uniformity"] == pytest.approx(-4 - 4 / (n - 1), rel=1e-6)


def test_the_positives_probability_is_what_infonce_lacks_of_dcl(unit_pairs):
    u, v = unit_pairs(2, 4)
    u = u[:1].repeat(2, 1)  # anchors that are alike, so that the mean is each one's
    v = torch.stack([v[0], v[0]])
    v[1] = v[0]
    tau = 0.4
    lacks = 1 - diagnostics(u, v, temperature=tau).positive_probability.item()
    slopes = []
    for loss in (info_nce, dcl_cross):
        keys = v.clone().requires_grad_()
        loss(u, keys, temperature=tau, reduction="none")[0].backward()
        slopes.append(keys.grad)
    torch.testing.assert_close(slopes[0], lacks * slopes[1])


def test_accuracy_counts_the_nearest(unit_pairs):
    u, _ = unit_pairs(8, 16)
    assert diagnostics(u, u, temperature=0.1).accuracy == 1
    assert diagnostics(u, u.roll(1, 0), temperature=0.1).accuracy == 0
    half = u.clone()
    half[[0, 1]] = u[[1, 0]]
    assert diagnostics(u, half, temperature=0.1).accuracy == 0.75
    doubled = u.clone()
    doubled[5] = u[4]  # anchor 4 has a rival just as near; anchor 5 has it in the place of its own
    assert diagnostics(u, doubled, temperature=0.1).accuracy == 0.75


@PRECISIONS
def test_effective_rank_of_known_matrices(dtype):
    assert effective_rank(torch.eye(5, dtype=dtype)).item() == pytest.approx(5, rel=1e-6)
    assert effective_rank(torch.eye(7, dtype=dtype)[:3]).item() == pytest.approx(3, rel=1e-6)
    assert effective_rank(torch.eye(7, dtype=dtype)[:, :3] * 40).item() == pytest.approx(3, rel=1e-6)
    assert effective_rank(torch.ones(100, 20, dtype=dtype)).item() == pytest.approx(1, abs=1e-4)
    shares = torch.tensor([0.5, 0.25, 0.25], dtype=dtype)
    assert effective_rank(torch.diag(shares)).item() == pytest.approx(2**1.5, rel=1e-6)
    generator = torch.Generator().manual_seed(0)
    low = torch.randn(64, 3, generator=generator, dtype=dtype) @ torch.randn(
        3, 48, generator=generator, dtype=dtype
    )
    assert 1 < effective_rank(low).item() < 3.01


def test_one_pair_has_nothing_to_be_compared_with(unit_pairs):
    u, v = unit_pairs(1, 4)
    with pytest.raises(ValueError, match=r"n >= 2, got \(1, 4\)"):
        diagnostics(u, v, temperature=0.1)
    with pytest.raises(ValueError, match="temperature must be positive"):
        diagnostics(*unit_pairs(3, 4), temperature=0.0)
