"""What is drawn for a view is distributed as torchvision draws it."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torchvision.transforms import ColorJitter, RandomResizedCrop

from batching import uniforms
from vision.augmentation import Augmentation, draw_changes
from vision.augmentation.draws import N_DRAWS


def changes(n, augmentation, side=32):
    return draw_changes(uniforms(torch.arange(n), "test", 0, N_DRAWS), augmentation, side=side)


def test_crops_are_distributed_as_torchvision_s():
    n, image = 4000, torch.zeros(3, 32, 32)
    ours = changes(n, Augmentation()).box.double()
    torch.manual_seed(0)
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(n)]
    ).double()
    for statistic in (lambda box: box, lambda box: box**2, lambda box: box[:, 2:].prod(1, keepdim=True)):
        a, b = statistic(ours), statistic(theirs)
        standard_error = ((a.var(0) + b.var(0)) / n).sqrt()
        assert ((a.mean(0) - b.mean(0)).abs() < 4 * standard_error).all()


def test_crops_have_the_areas_and_aspects_asked_for():
    """Up to the rounding to whole pixels, which is small on a large image."""
    box = changes(2000, Augmentation(min_area=0.2, max_aspect=2.0), side=1000).box.double()
    areas = box[:, 2] * box[:, 3] / 1e6
    aspects = box[:, 3] / box[:, 2]
    assert 0.199 < areas.min() < 0.21
    assert areas.max() > 0.9
    assert 0.498 < aspects.min() < 0.52
    assert 1.95 < aspects.max() < 2.01
    assert (box[:, 0] + box[:, 2]).max() <= 1000
    assert (box[:, 1] + box[:, 3]).max() <= 1000


def test_an_image_too_flat_for_every_trial_is_taken_whole():
    """An area of 1 fits only as a square, which a drawn aspect never is exactly."""
    box = changes(50, Augmentation(min_area=1.0, max_aspect=4.0)).box
    assert [0, 0, 32, 32] in box.tolist()


def test_colours_are_distributed_as_torchvision_s():
    n = 4000
    colour = changes(n, Augmentation(jitter=1.0, brightness=0.4, contrast=0.3, saturation=0.2, hue=0.1)).colour
    torch.manual_seed(0)
    jitter = ColorJitter(0.4, 0.3, 0.2, 0.1)
    theirs = [
        jitter.get_params(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue) for _ in range(n)
    ]
    amounts = torch.tensor([[float(x) for x in draw[1:]] for draw in theirs])
    ours = torch.cat([colour.factors, colour.hue[:, None]], 1)
    half = torch.tensor([0.4, 0.3, 0.2, 0.1])
    centre = torch.tensor([1.0, 1.0, 1.0, 0.0])
    for drawn in (ours, amounts):
        assert ((drawn - centre).abs() <= half + 1e-6).all()
        torch.testing.assert_close(drawn.mean(0), centre, rtol=0, atol=0.02)
        torch.testing.assert_close(drawn.std(0), half / 3**0.5, rtol=0.05, atol=0)
    orders = Counter(map(tuple, colour.order.tolist()))
    assert len(orders) == 24
    assert all(abs(count - n / 24) < 5 * (n / 24) ** 0.5 for count in orders.values())


@pytest.mark.parametrize(
    ("name", "probability"), [("flip", 0.25), ("grey", 0.3), ("jitter", 0.6), ("blur", 0.4), ("solarize", 0.2)]
)
def test_probabilities_are_kept(name, probability):
    drawn = changes(4000, Augmentation(**{"blur": 0.5, "solarize": 0.5, name: probability}))
    happened = {
        "flip": drawn.mirror,
        "grey": drawn.to_grey,
        "jitter": (drawn.colour.factors != 1).any(1),
        "blur": drawn.sigma > 0,
        "solarize": drawn.solarize,
    }[name]
    assert happened.double().mean().item() == pytest.approx(probability, abs=0.03)


@settings(max_examples=50, deadline=None)
@given(some.floats(0.001, 1.0), some.floats(1.0, 10.0), some.integers(1, 300))
def test_every_box_lies_in_the_image(min_area, max_aspect, side):
    box = changes(50, Augmentation(min_area=min_area, max_aspect=max_aspect), side=side).box
    assert box.dtype == torch.int64
    assert (box[:, :2] >= 0).all()
    assert (box[:, 2:] >= 1).all()
    assert (box[:, :2] + box[:, 2:] <= side).all()


def test_the_width_of_the_blur_is_uniform():
    sigma = changes(4000, Augmentation(blur=1.0, blur_sigma_min=0.5, blur_sigma_max=1.5)).sigma
    assert 0.5 <= sigma.min() < 0.51
    assert 1.49 < sigma.max() <= 1.5
    assert sigma.mean().item() == pytest.approx(1.0, abs=0.02)


def test_what_never_happens_is_not_there():
    drawn = changes(4, Augmentation(jitter=0.0, grey=0.0))
    assert (drawn.colour, drawn.to_grey, drawn.sigma, drawn.solarize, drawn.policy) == (None,) * 5
    by_policy = changes(4, Augmentation(policy="randaugment"))
    assert (by_policy.colour, by_policy.to_grey) == (None, None)
    assert len(by_policy.policy.unique()) == 4
