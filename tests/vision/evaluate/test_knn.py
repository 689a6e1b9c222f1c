"""Weighted nearest neighbours, against a double loop and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from vision.evaluate import nearest_neighbours


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(8, 6, generator=generator)
    labels = torch.randint(8, (120,), generator=generator)
    points = (centres[labels] + torch.randn(120, 6, generator=generator)).double()
    return points[:90], labels[:90], points[90:], labels[90:]


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.1), (7, 0.1), (20, 1.0), (90, 0.05)])
def test_votes_are_sums_of_weights(data, k, temperature):
    train, train_labels, test, test_labels = data
    right = np.zeros(2)
    for point, label in zip(test, test_labels, strict=True):
        similarity = torch.cosine_similarity(point[None], train)
        votes = torch.zeros(8, dtype=torch.double)
        for i in similarity.argsort(descending=True)[:k]:
            votes[train_labels[i]] += (similarity[i] / temperature).exp()
        better = sum(votes[c] >= votes[label] for c in range(8) if c != label)
        right += [better < 1, better < 5]
    found = nearest_neighbours(*data, k=k, temperature=temperature, chunk_size=7)
    assert (found.top1, found.top5) == tuple(right / len(test))
    assert found.settings() | {"k": k, "temperature": temperature, "n_train": 90, "n_test": 30} == found.settings()


def test_scikit_learn_agrees(data):
    train, train_labels, test, test_labels = data
    other = KNeighborsClassifier(15, metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.2))
    score = other.fit(train.numpy(), train_labels.numpy()).score(test.numpy(), test_labels.numpy())
    assert nearest_neighbours(*data, k=15, temperature=0.2).top1 == pytest.approx(score)


def test_lengths_of_features_do_not_matter(data):
    train, train_labels, test, test_labels = data
    scaled = nearest_neighbours(
        train * torch.rand(90, 1).double().add(0.5), train_labels, test * 9, test_labels, k=9
    )
    assert scaled == nearest_neighbours(*data, k=9)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"k": 91}, "k must lie between 1 and the number of training images, 90, got 91"),
        ({"k": 0}, "got 0"),
        ({"k": 5, "temperature": 0.0}, "temperature of the neighbours' weights must be positive"),
        ({"k": 5, "temperature": 1e-4}, "not so small that they vanish"),
    ],
)
def test_settings_that_cannot_work_are_refused(data, settings, told):
    with pytest.raises(ValueError, match=told):
        nearest_neighbours(*data, **settings)
