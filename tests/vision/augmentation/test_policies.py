"""Torchvision's automatic augmentations and mixtures, each call with a seed of its own."""

import pytest
import torch
from torchvision.transforms import v2

from vision.augmentation import Augmentation, mixed, two_views
from vision.augmentation.policies import by_policy

TORCHVISION = {
    "autoaugment": v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10),
    "randaugment": v2.RandAugment(),
    "trivialaugment": v2.TrivialAugmentWide(),
}


def pictures(n, side=32):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("policy", TORCHVISION)
def test_a_policy_is_torchvision_s_from_the_image_s_own_seed(policy):
    images, seeds = pictures(6), torch.tensor([3, 1, 4, 1, 5, 2**52])
    found = by_policy(images, seeds, policy=policy)
    for image, seed, ours in zip(images, seeds.tolist(), found, strict=True):
        torch.manual_seed(seed)
        assert torch.equal(ours, TORCHVISION[policy](image))


def test_large_images_get_the_policy_of_imagenet():
    image = pictures(1, 48)
    torch.manual_seed(3)
    expected = v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET)(image[0])
    assert torch.equal(by_policy(image, torch.tensor([3]), policy="autoaugment")[0], expected)


@pytest.mark.parametrize("policy", TORCHVISION)
def test_views_by_policy_do_not_depend_on_the_batch_nor_touch_the_global_generator(policy):
    settings = {"augmentation": Augmentation(policy=policy), "size": 32, "seed": 0, "purpose": "train"}
    settings |= {"mean": torch.zeros(3), "std": torch.ones(3)}
    pixels, index = pictures(6), torch.arange(6)
    torch.manual_seed(7)
    state = torch.get_rng_state()
    first, second = two_views(pixels, index, counter=2, **settings)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(first, second)
    assert not torch.equal(first, two_views(pixels, index, counter=3, **settings)[0])
    chosen = torch.tensor([4, 1])
    torch.testing.assert_close(two_views(pixels[chosen], chosen, counter=2, **settings)[0], first[chosen])


def test_a_policy_comes_before_crop_and_mirror():
    """Without crop and mirror the view is the changed image."""
    settings = {"size": 32, "seed": 0, "purpose": "train", "counter": 0, "mean": torch.zeros(3)}
    whole = Augmentation(min_area=1.0, max_aspect=1.0, flip=0.0, policy="trivialaugment")
    first, _ = two_views(pictures(4), torch.arange(4), augmentation=whole, std=torch.ones(3), **settings)
    assert torch.allclose(first * 255, (first * 255).round(), atol=1e-3)


@pytest.mark.parametrize(("kind", "theirs"), [("mixup", v2.MixUp), ("cutmix", v2.CutMix)])
def test_mixtures_are_torchvision_s_and_reproducible(kind, theirs):
    images, labels = pictures(8) / 255, torch.arange(8) % 3
    state = torch.get_rng_state()
    mixture, soft = mixed(images, labels, 3, kind=kind, seed=0, counter=5)
    assert torch.equal(torch.get_rng_state(), state)
    assert mixture.shape == images.shape
    torch.testing.assert_close(soft.sum(1), torch.ones(8))
    again = mixed(images, labels, 3, kind=kind, seed=0, counter=5)
    assert torch.equal(mixture, again[0])
    assert torch.equal(soft, again[1])
    for changed in ({"seed": 1, "counter": 5}, {"seed": 0, "counter": 6}):
        assert not torch.equal(mixture, mixed(images, labels, 3, kind=kind, **changed)[0])
    weight = soft[labels != labels.roll(1)].max(1).values
    assert torch.allclose(weight, weight[0])
    assert theirs(num_classes=3)(images, labels)[1].shape == soft.shape


def test_one_image_cannot_be_mixed():
    with pytest.raises(ValueError, match="at least 2 to be mixed, got 1"):
        mixed(pictures(1) / 255, torch.zeros(1, dtype=torch.long), 3, kind="mixup", seed=0, counter=0)
