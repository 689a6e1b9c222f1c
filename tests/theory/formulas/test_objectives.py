"""The losses in numpy against the losses in torch, which share no code, and against finite differences."""

import numpy as np
import pytest
import reference
import torch

import losses
from theory import LOSS_NAMES
from theory.formulas.family import FAMILY
from theory.formulas.objectives import class_labels, objective
from theory.formulas.settings import SETTINGS

KERNELS = [("gaussian", 2.0), ("gaussian", 0.5), ("imq", 1.0), ("log", 3.0), ("riesz", 2.0), ("riesz", -1.0)]
CASES = [
    *[(name, {}) for name in SETTINGS if name not in ("kcl", "align_uniform", "supcon")],
    *[("kcl", {"kernel": kernel, "parameter": parameter, "gamma": 3.0}) for kernel, parameter in KERNELS],
    ("align_uniform", {}),
    ("align_uniform", {"alpha": 1.5, "t": 0.7, "weight": 2.0}),
    ("siglip", {"bias": 1.3}),
    ("nce", {"log_noise": -2.5}),
    ("supcon", {"n_classes": 3}),
    ("supcon", {"base_temperature": 0.07}),
]
BATCHES = np.array([[0, 1, 2], [3, 4, 5], [1, 3, 5], [5, 0, 3]])
every_case = pytest.mark.parametrize(("loss", "settings"), CASES)


def random_units(seed, *shape):
    x = np.random.default_rng(seed).standard_normal(shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def tangential(slope, x):
    return slope - (slope * x).sum(1, keepdims=True) * x


def in_torch(loss, u, v, temperature, settings, batches):
    """Value and gradient of the package's own loss."""
    settings = dict(settings)
    options = {} if batches is None else {"batches": torch.from_numpy(batches)}
    n_classes = settings.pop("n_classes", None)
    if n_classes:
        options["labels"] = torch.from_numpy(class_labels(len(u), n_classes))
    x, y = (torch.tensor(z, requires_grad=True) for z in (u, v))
    function = losses.make_loss(loss, temperature=temperature, **settings)
    value = function(x, y, **options).mean()
    value.backward()
    return value.item(), *(np.zeros_like(u) if z.grad is None else z.grad.numpy() for z in (x, y))


@every_case
@pytest.mark.parametrize(("temperature", "batches"), [(0.05, None), (1.0, BATCHES)], ids=["full", "batches"])
def test_value_and_gradient_are_those_of_the_loss_in_torch(loss, settings, temperature, batches):
    u, v = random_units(0, 2, 6, 3)
    value, du, dv = objective(loss, temperature, **settings)(u, v, batches)
    expected, dx, dy = in_torch(loss, u, v, temperature, settings, batches)
    assert value == pytest.approx(expected, rel=1e-12)
    if loss == "flatnce":  # trains with the gradient of another loss
        _, du, dv = objective("dcl", temperature)(u, v, batches)
    scale = 1 + np.abs(dx).max()
    for slope, other, x in ((du, dx, u), (dv, dy, v)):
        np.testing.assert_allclose(tangential(slope, x), tangential(other, x), atol=1e-12 * scale)


@every_case
def test_gradient_is_the_derivative_of_the_value(loss, settings):
    u, v = random_units(1, 2, 6, 4)
    function = objective(loss, 0.4, **settings)
    _, du, dv = function(u, v, BATCHES)
    step, (a, b) = 1e-5, random_units(2, 2, 6, 4)
    ahead, behind = (function(u + h * a, v + h * b, BATCHES)[0] for h in (step, -step))
    assert (ahead - behind) / (2 * step) == pytest.approx((du * a + dv * b).sum(), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_value_is_that_of_the_double_loop(loss):
    u, v = random_units(3, 2, 5, 3)
    expected = reference.mean_over_batches(getattr(reference, loss), u, v, [(0, 1, 2), (1, 3, 4)], 0.1)
    assert objective(loss, 0.1)(u, v, np.array([[0, 1, 2], [1, 3, 4]]))[0] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("loss", [name for name in SETTINGS if name not in ("kcl", "align_uniform")])
def test_a_vanishing_temperature_neither_overflows_nor_warns(loss):
    u, v = random_units(4, 2, 4, 3)
    for x, y in ((u, v), (u, u)):
        value, du, dv = objective(loss, 1e-5)(x, y)
        assert np.isfinite(value)
        assert np.isfinite(du).all()
        assert np.isfinite(dv).all()


@pytest.mark.parametrize("loss", [name for name, kind in FAMILY.items() if kind.positive_in_denominator])
def test_a_small_value_keeps_its_digits(loss):
    u = np.array([[1.0, 0.0], [-1.0, 0.0]])
    kind = FAMILY[loss]
    expected = kind.logs * kind.negatives_per_pair * np.exp(-2 / 0.02)
    assert objective(loss, 0.02)(u, u)[0] == pytest.approx(expected, rel=1e-12, abs=0)


def test_coinciding_views_have_no_slope_of_alignment():
    u = random_units(5, 4, 3)
    for alpha in (0.5, 1.0, 2.0):
        _, du, dv = objective("align_uniform", alpha=alpha, weight=0.0)(u, u)
        assert not du.any()
        assert not dv.any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _: objective("triplet"), "received 'triplet': triplet has a margin"),
        (lambda _: objective("clip", gamma=1.0), "clip has no setting gamma; its settings are: none beside"),
        (lambda _: objective("kcl", t=1.0), "its settings are: kernel, parameter, gamma"),
        (lambda _: objective("kcl", kernel="cosine"), "kernel must be one of gaussian"),
        (lambda _: objective("kcl", gamma=-1.0), "gamma must not be negative, received -1"),
        (lambda _: objective("align_uniform", alpha=0.0), "alpha must be positive, received 0"),
        (lambda _: objective("siglip", bias=np.inf), "bias must be one finite number, received inf"),
        (lambda _: objective("supcon", n_classes=0), "n_classes must be a whole number of at least 1, received 0"),
        (
            lambda u: objective("supcon", n_classes=3)(u, u),
            "n_classes must divide n_pairs.*the divisors are 1, 2, 4",
        ),
        (lambda _: objective("clip", 0.0), "temperature must be positive and finite, received 0"),
        (lambda u: objective("clip")(u[:1], u[:1]), "u and v must be alike, of at least two rows"),
        (lambda u: objective("clip")(u, u, np.array([[0], [1]])), "batches must be rows of at least two numbers"),
        (lambda u: objective("clip")(u, u, np.array([[0, 4]])), "batches must be rows of at least two numbers"),
    ],
)
def test_errors_say_requirement_received_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call(random_units(6, 4, 3))
