"""The linear probe, against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from vision.evaluate import linear_probe
from vision.evaluate.logistic import fit_logistic
from vision.evaluate.probe import STRENGTHS, standardised
from vision.evaluate.splits import held_back


@pytest.fixture(scope="module")
def data():
    digits = load_digits()
    points, labels = torch.from_numpy(digits.data).float(), torch.from_numpy(digits.target)
    return points[:900], labels[:900], points[900:], labels[900:]


@pytest.mark.parametrize("strength", [1.0, 1e-2])
def test_scikit_learn_finds_the_same_coefficients(data, strength):
    points, asked = standardised(data[0].double(), data[2].double())
    ours = fit_logistic(points, data[1], strength=strength, n_classes=10, tolerance=1e-7)
    theirs = LogisticRegression(C=1 / (900 * strength), tol=1e-9, max_iter=5000).fit(
        points.numpy(), data[1].numpy()
    )
    assert np.abs(theirs.coef_.T - ours.weight.numpy()).max() < 1e-3
    bias = theirs.intercept_ - theirs.intercept_.mean()
    assert np.abs(bias - ours.bias.numpy()).max() < 1e-3
    assert np.array_equal(theirs.predict(asked.numpy()), ours(asked).argmax(1).numpy())


def test_single_precision_and_another_start_classify_alike(data):
    points, asked = standardised(data[0], data[2])
    double, other = standardised(data[0].double(), data[2].double())
    exact = fit_logistic(double, data[1], strength=1e-2, n_classes=10, tolerance=1e-6)(other).argmax(1)
    far = fit_logistic(points, data[1], strength=1.0, n_classes=10)
    for start in (None, far):
        found = fit_logistic(points, data[1], strength=1e-2, n_classes=10, start=start)
        assert (found(asked).argmax(1) == exact).double().mean() > 0.995
    again = fit_logistic(points, data[1], strength=1.0, n_classes=10, start=far)
    assert again.iterations <= 3 < far.iterations


def test_too_few_iterations_are_told_of(data, monkeypatch):
    monkeypatch.setattr("vision.evaluate.logistic._MOST_ITERATIONS", 2)
    with pytest.warns(RuntimeWarning, match="has not converged in 2 iterations"):
        fit_logistic(data[0], data[1], strength=1e-3, n_classes=10)


def test_columns_are_standardised_by_the_training_images():
    train = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    first, other = standardised(train, torch.tensor([[5.0, 6.0]]))
    assert first.tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert other.tolist() == [[3.0, 1.0]]


def test_the_strength_is_the_best_on_validation_images(data):
    found = linear_probe(*data)
    assert found.top1 > 0.88
    assert found.top1 < found.top5 <= 1
    assert (found.n_train, found.n_test) == (900, 897)

    rest, validation = held_back(data[1], 0.1, seed=0)
    points, _ = standardised(data[0], data[2])
    scores = {}
    for strength in STRENGTHS:
        model = LogisticRegression(C=1 / (len(rest) * strength), max_iter=1000)
        model.fit(points[rest].numpy(), data[1][rest].numpy())
        scores[strength] = model.score(points[validation].numpy(), data[1][validation].numpy())
    assert scores[found.strength] >= max(scores.values()) - 1.5 / len(validation)
    assert found.validation_top1 == pytest.approx(scores[found.strength], abs=1.5 / len(validation))


def test_fewer_labels_are_worth_less(data):
    accuracies = [linear_probe(*data, label_fraction=fraction).top1 for fraction in (0.03, 0.2, 1.0)]
    assert accuracies == sorted(accuracies)
    assert linear_probe(*data, label_fraction=0.03).n_train == 30
    assert linear_probe(*data, label_fraction=0.03, seed=1).top1 != accuracies[0]


def test_one_strength_needs_no_validation_images(data):
    found = linear_probe(*data, strengths=(1e-2,), label_fraction=0.001)
    assert (found.n_train, found.strength, found.validation_top1) == (10, 1e-2, None)
    assert "validation_top1" not in found.values()


def test_the_encoder_is_not_asked_for_gradients(data):
    with torch.no_grad():
        assert linear_probe(*data, strengths=(1.0,)).top1 > 0.8


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"label_fraction": 0.001}, "needs a class with two labelled images"),
        ({"label_fraction": 0.0}, r"must lie in \(0, 1\]"),
        ({"strengths": ()}, "strengths must be one or more positive numbers"),
        ({"strengths": (0.0,)}, "strengths must be one or more positive numbers"),
    ],
)
def test_settings_that_cannot_work_are_refused(data, settings, told):
    with pytest.raises(ValueError, match=told):
        linear_probe(*data, **settings)
