"""The two views of an image: that they are torchvision's, and what they depend on."""

from dataclasses import fields, replace

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from batching import derived_seed, uniforms
from vision.augmentation import Augmentation, apply, apply_changes, draw_changes, two_views, views_of_steps
from vision.augmentation.draws import N_DRAWS

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
    """With the parameters that were drawn: crop, mirror, colours in their order, grey, blur, solarisation."""
    images = pictures(48) / 255
    drawn = changes(48, Augmentation(jitter=0.9, hue=0.3, grey=0.3, blur=0.5, solarize=0.5))
    factors, hue, order, _ = drawn.colour
    result = apply_changes(images, drawn, size=32)
    for n, ours in enumerate(result):
        theirs = tv.resized_crop(images[n], *drawn.box[n].tolist(), size=[32, 32], antialias=True)
        theirs = tv.horizontal_flip(theirs) if drawn.mirror[n] else theirs
        for operation in order[n].tolist():
            change = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)[operation]
            theirs = change(theirs, (hue[n] if operation == 3 else factors[n, operation]).item())
        theirs = tv.rgb_to_grayscale(theirs, num_output_channels=3) if drawn.to_grey[n] else theirs
        theirs = tv.gaussian_blur(theirs, [3, 3], [drawn.sigma[n].item()] * 2) if drawn.sigma[n] > 0 else theirs
        theirs = tv.solarize(theirs, 0.5) if drawn.solarize[n] else theirs
        torch.testing.assert_close(ours, theirs, rtol=0, atol=4e-6)


def test_the_usual_changes_are_exact_to_two_millionths():
    images = pictures(48) / 255
    drawn = changes(48, Augmentation(grey=0.0))
    factors, hue, order, _ = drawn.colour
    for n, ours in enumerate(apply_changes(images, drawn, size=32)):
        theirs = tv.resized_crop(images[n], *drawn.box[n].tolist(), size=[32, 32], antialias=True)
        theirs = tv.horizontal_flip(theirs) if drawn.mirror[n] else theirs
        for operation in order[n].tolist():
            change = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)[operation]
            theirs = change(theirs, (hue[n] if operation == 3 else factors[n, operation]).item())
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-6)


def test_two_views_are_the_drawn_changes_normalised():
    """The first 33 of an image's numbers make its first view, as many its second."""
    pixels, index = pictures(40), torch.arange(40)
    first, second = views(pixels, index, augmentation=Augmentation(blur=0.5, solarize=0.3), counter=3)
    streams = derived_seed(0, "augmentation") ^ index
    draws = uniforms(streams, "train", 3, 2 * N_DRAWS)
    for n, found in enumerate((first, second)):
        own = torch.cat([draws[:, 33 * n : 33 * (n + 1)], draws[:, 66 + 4 * n : 70 + 4 * n]], dim=1)
        drawn = draw_changes(own, Augmentation(blur=0.5, solarize=0.3), side=32)
        expected = tv.normalize(apply_changes(pixels / 255, drawn, size=32), [0.5, 0.4, 0.3], [0.2, 0.3, 0.4])
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


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


def steps(pixels, index, counters, **changed):
    settings = {"augmentation": Augmentation(), "size": 32, "seed": 0, "purpose": "train"}
    settings |= {"mean": torch.tensor([0.5, 0.4, 0.3]), "std": torch.tensor([0.2, 0.3, 0.4])}
    return views_of_steps(pixels, index, counters=counters, **settings | changed)


@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(blur=0.5, solarize=0.5, hue=0.0)])
def test_views_of_many_steps_are_those_of_each_step_to_the_last_bit(augmentation, monkeypatch):
    monkeypatch.setattr(apply, "CPU_PORTION", 3 * 20 * 20 * 5)  # several portions a step
    pixels, counters = pictures(30), torch.tensor([4, 5, 9])
    index = torch.randint(0, 30, (3, 11), generator=torch.Generator().manual_seed(0))
    first, second = steps(pixels, index, counters, augmentation=augmentation, size=20)
    for k in range(3):
        one, other = views(
            pixels[index[k]], index[k], augmentation=augmentation, size=20, counter=counters[k].item()
        )
        assert torch.equal(first[k], one)
        assert torch.equal(second[k], other)


def test_views_do_not_depend_on_the_portions(monkeypatch):
    augmentation = Augmentation(blur=0.5, solarize=0.5)
    whole = torch.cat(views(pictures(20), torch.arange(20), augmentation=augmentation))
    monkeypatch.setattr(apply, "CPU_PORTION", 3 * 32 * 32 * 3)
    portions = torch.cat(views(pictures(20), torch.arange(20), augmentation=augmentation))
    torch.testing.assert_close(portions, whole, rtol=0, atol=1e-5)


def test_views_can_have_half_precision():
    exact, _ = steps(pictures(4), torch.arange(4)[None], torch.tensor([0]))
    half, _ = steps(pictures(4), torch.arange(4)[None], torch.tensor([0]), dtype=torch.bfloat16)
    assert torch.equal(half, exact.bfloat16())


def test_nothing_makes_no_views():
    first, _ = views(pictures(0), torch.arange(0))
    assert first.shape == (0, 3, 32, 32)


def test_bad_steps_are_refused():
    pixels, index = pictures(4), torch.zeros(3, 2, dtype=torch.long)
    with pytest.raises(ValueError, match=r"one number for each of the 3 steps of index, got the shape \[2\]"):
        steps(pixels, index, torch.arange(2))
    with pytest.raises(IndexError):
        steps(pixels, index + 4, torch.arange(3))
    with pytest.raises(ValueError, match="size must be at least 2 pixels, got 1"):
        steps(pixels, index, torch.arange(3), size=1)
    with pytest.raises(ValueError, match=r"floating point numbers, got torch\.int64"):
        steps(pixels, index, torch.arange(3), dtype=torch.int64)


OTHER = {
    "min_area": 0.5,
    "max_aspect": 2.0,
    "flip": 0.0,
    "jitter": 0.1,
    "brightness": 0.1,
    "contrast": 0.1,
    "saturation": 0.5,
    "hue": 0.3,
    "grey": 0.9,
    "blur": 0.1,
    "blur_sigma_min": 1.0,
    "blur_sigma_max": 1.0,
    "solarize": 0.1,
    "policy": "randaugment",
}


@pytest.mark.parametrize("name", [field.name for field in fields(Augmentation)])
def test_every_strength_changes_the_views(name):
    usual = Augmentation(blur=1.0, solarize=0.5)
    changed = views(pictures(8), torch.arange(8), augmentation=replace(usual, **{name: OTHER[name]}))
    assert not torch.equal(changed[0], views(pictures(8), torch.arange(8), augmentation=usual)[0])


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"min_area": 0.0}, r"min_area must lie in \(0, 1\], got 0.0"),
        ({"max_aspect": 0.5}, "max_aspect must be at least 1, got 0.5"),
        ({"flip": 1.5}, "flip must lie between 0 and 1, got 1.5"),
        ({"hue": 0.7}, "hue must lie between 0 and 0.5, got 0.7"),
        ({"solarize": float("nan")}, "solarize must lie between 0 and 1, got nan"),
        ({"blur_sigma_min": 0.0}, "blur_sigma_min must be positive .* got 0.0 and 2.0"),
        ({"blur_sigma_min": 3.0}, "at most blur_sigma_max, got 3.0 and 2.0"),
    ],
)
def test_strengths_out_of_range_are_refused(setting, told):
    with pytest.raises(ValueError, match=told):
        Augmentation(**setting)


@pytest.mark.gpu
def test_a_gpu_makes_the_same_views():
    """By the kernel, and where it does not do: to smaller views, with blur."""
    pixels, index = pictures(64), torch.arange(64)
    for size, augmentation in ((32, Augmentation()), (20, Augmentation()), (32, Augmentation(blur=0.5))):
        on_gpu, _ = views(pixels.cuda(), index, size=size, augmentation=augmentation)
        on_cpu, _ = views(pixels, index, size=size, augmentation=augmentation)
        torch.testing.assert_close(on_gpu.cpu(), on_cpu, rtol=0, atol=1e-4)


@pytest.mark.gpu
def test_a_gpu_is_never_waited_for():
    pixels, index = pictures(64).cuda(), torch.arange(64).cuda()
    counters, mean = torch.arange(2).cuda(), torch.full((3,), 0.5).cuda()
    for augmentation in (Augmentation(), Augmentation(blur=0.5, solarize=0.5)):
        given = {"augmentation": augmentation, "mean": mean, "std": mean}
        steps(pixels, index.view(2, 32), counters, **given)  # compiles
        try:
            torch.cuda.set_sync_debug_mode("error")
            steps(pixels, index.view(2, 32), counters, **given)
        finally:
            torch.cuda.set_sync_debug_mode("default")
