"""The two views of an image: how they are distributed, and what they depend on."""

from collections import Counter

import pytest
import torch
from torchvision.transforms import ColorJitter, RandomResizedCrop
from torchvision.transforms.v2 import functional as tv

from batching import uniforms
from vision.augmentation.views import N_DRAWS, Augmentation, apply_changes, draw_changes, two_views

NOTHING = Augmentation(min_area=1.0, max_aspect=1.0, flip=0.0, jitter=0.0, grey=0.0)


def pictures(n, side=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=generator)


def views(pixels, index, *, augmentation=None, size=32, seed=0, purpose="train", counter=0):
    return two_views(
        pixels,
        index,
        augmentation=augmentation or Augmentation(),
        size=size,
        mean=torch.tensor([0.5, 0.4, 0.3], device=pixels.device),
        std=torch.tensor([0.2, 0.3, 0.4], device=pixels.device),
        seed=seed,
        purpose=purpose,
        counter=counter,
    )


def changes(n, augmentation, side=32):
    return draw_changes(uniforms(torch.arange(n), "test", 0, N_DRAWS), augmentation, side=side)


def test_without_strength_a_view_is_the_normalised_image():
    pixels = pictures(3)
    first, second = views(pixels, torch.arange(3), augmentation=NOTHING)
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.3, 0.4])
    expected = (pixels / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    torch.testing.assert_close(first, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(second, expected, rtol=0, atol=1e-5)


def test_the_pipeline_equals_torchvision_image_by_image():
    """With the parameters that were drawn: crop, mirror, colours in their order, grey."""
    images = pictures(48) / 255
    drawn = changes(48, Augmentation(jitter=0.9, hue=0.3, grey=0.3))
    factors, hue, order = drawn.colour
    result = apply_changes(images, drawn, size=32)
    for n, ours in enumerate(result):
        theirs = tv.resized_crop(images[n], *drawn.box[n].tolist(), size=[32, 32], antialias=True)
        theirs = tv.horizontal_flip(theirs) if drawn.mirror[n] else theirs
        for operation in order[n].tolist():
            change = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)[operation]
            theirs = change(theirs, (hue[n] if operation == 3 else factors[n, operation]).item())
        theirs = tv.rgb_to_grayscale(theirs, num_output_channels=3) if drawn.to_grey[n] else theirs
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


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


@pytest.mark.parametrize(("name", "probability"), [("flip", 0.25), ("grey", 0.3), ("jitter", 0.6)])
def test_probabilities_are_kept(name, probability):
    drawn = changes(4000, Augmentation(**{name: probability}))
    happened = {
        "flip": drawn.mirror,
        "grey": drawn.to_grey,
        "jitter": (drawn.colour.factors != 1).any(1),
    }[name]
    assert happened.double().mean().item() == pytest.approx(probability, abs=0.03)


def test_every_view_has_parameters_of_its_own():
    """Sixteen copies of one picture give 32 different views."""
    first, second = views(pictures(1).expand(16, -1, -1, -1), torch.arange(16))
    everything = torch.cat([first, second]).flatten(1)
    assert len(everything.unique(dim=0)) == 32


def test_views_of_an_image_do_not_depend_on_its_batch():
    pixels = pictures(12)
    whole, _ = views(pixels, torch.arange(12))
    chosen = torch.tensor([7, 2, 9])
    some, _ = views(pixels[chosen], chosen)
    torch.testing.assert_close(some, whole[chosen], rtol=0, atol=1e-6)


def test_views_are_a_function_of_seed_purpose_and_counter():
    pixels, index = pictures(4), torch.arange(4)
    reference, _ = views(pixels, index)
    torch.manual_seed(123)
    assert torch.equal(views(pixels, index)[0], reference)
    for changed in ({"seed": 1}, {"purpose": "embed"}, {"counter": 1}):
        other, _ = views(pixels, index, **changed)
        assert not torch.isclose(other, reference).flatten(1).all(1).any(), changed


def test_views_have_the_size_asked_for():
    first, second = views(pictures(2), torch.arange(2), size=20)
    assert first.shape == second.shape == (2, 3, 20, 20)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"min_area": 0.0}, r"min_area must lie in \(0, 1\], got 0.0"),
        ({"max_aspect": 0.5}, "max_aspect must be at least 1, got 0.5"),
        ({"flip": 1.5}, "flip must lie between 0 and 1, got 1.5"),
        ({"hue": 0.7}, "hue must lie between 0 and 0.5, got 0.7"),
    ],
)
def test_strengths_out_of_range_are_refused(setting, told):
    with pytest.raises(ValueError, match=told):
        Augmentation(**setting)


@pytest.mark.gpu
def test_a_gpu_makes_the_same_views():
    pixels, index = pictures(64), torch.arange(64)
    on_gpu, _ = views(pixels.cuda(), index)
    on_cpu, _ = views(pixels, index)
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, rtol=0, atol=1e-4)
