"""The recipes of three code bases for training on images, put together from torchvision's parts and plain PyTorch.

    paper        Cho et al. (2024, arXiv 2307.05906): 32 pixels blown up to 224, Pillow's blur on every view, half
                 precision with a loss scaler, LARS tensor by tensor, the loss read at every step
    lightly      its CIFAR benchmark: SimCLRTransform(32, cj_strength=0.5, gaussian_blur=0), float32, SGD
    solo-learn   its CIFAR configuration: strong jitter, blur on half of the views, half precision, channels_last,
                 LARS with a clipped factor

Written from descriptions of what they do; the packages themselves are not used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn
from torchvision import transforms
from typing_extensions import override

MEAN, STD = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
"""CIFAR-100's."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What one code base does in a step."""

    image_size: int
    stem: Literal["cifar", "imagenet"]
    batch_size: int
    jitter: tuple[float, float, float, float]
    """Brightness, contrast, saturation, hue."""
    blur: float
    """Probability."""
    head: Callable[[], nn.Module]
    temperature: float
    optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer]
    half: bool = False
    """float16 with a loss scaler on a GPU; float32 on a CPU in any case."""
    channels_last: bool = False
    reads_loss: bool = False
    """At every step."""


class LoopLars(torch.optim.Optimizer):
    """LARS as published code has it: one parameter after the other, a handful of launches each.

    The two conventions are those of `training.optimizers.Lars`.
    """

    def __init__(
        self, parameters: list[nn.Parameter], *, lr: float, weight_decay: float, trust: float, clipped: bool
    ) -> None:
        """See the class."""
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "trust": trust, "clipped": clipped})

    @override
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        assert closure is None
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                change = p.grad if p.ndim < 2 else _adapted(p, p.grad, group)
                state = self.state[p]
                if "mu" not in state:
                    state["mu"] = torch.zeros_like(p)
                state["mu"].mul_(0.9).add_(change)
                p.add_(state["mu"], alpha=-group["lr"])


def _adapted(p: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
    decayed = gradient.add(p, alpha=group["weight_decay"])
    length = p.norm()
    if group["clipped"]:
        slope = gradient.norm()
        factor = group["trust"] * length / (slope + group["weight_decay"] * length + 1e-8)
        factor = (factor / group["lr"]).clamp(max=1)
    else:
        slope = decayed.norm()
        factor = group["trust"] * length / slope
    one = torch.ones_like(factor)
    return decayed * torch.where(length > 0, torch.where(slope > 0, factor, one), one)


def _head(width: int, dim: int, *, norm: bool, last_norm: bool) -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(512, width, bias=not norm)]
    layers += [nn.BatchNorm1d(width)] * norm + [nn.ReLU(), nn.Linear(width, dim, bias=not last_norm)]
    return nn.Sequential(*layers, *[nn.BatchNorm1d(dim, affine=False)] * last_norm)


RECIPES: dict[str, Recipe] = {
    "paper": Recipe(
        image_size=224,
        stem="imagenet",
        batch_size=32,
        jitter=(0.4, 0.4, 0.2, 0.1),
        blur=1.0,
        head=lambda: _head(2048, 128, norm=True, last_norm=True),
        temperature=0.1,
        optimizer=lambda p: LoopLars(p, lr=0.075 * 32**0.5, weight_decay=1e-6, trust=0.001, clipped=False),
        half=True,
        reads_loss=True,
    ),
    "lightly": Recipe(
        image_size=32,
        stem="cifar",
        batch_size=128,
        jitter=(0.4, 0.4, 0.4, 0.1),
        blur=0.0,
        head=lambda: _head(512, 128, norm=True, last_norm=True),
        temperature=0.5,
        optimizer=lambda p: torch.optim.SGD(p, lr=0.06, momentum=0.9, weight_decay=5e-4),
    ),
    "solo-learn": Recipe(
        image_size=32,
        stem="cifar",
        batch_size=256,
        jitter=(0.8, 0.8, 0.8, 0.2),
        blur=0.5,
        head=lambda: _head(2048, 256, norm=False, last_norm=False),
        temperature=0.2,
        optimizer=lambda p: LoopLars(p, lr=0.4, weight_decay=1e-4, trust=0.02, clipped=True),
        half=True,
        channels_last=True,
    ),
}


class PillowBlur:
    """Pillow's approximation of a Gaussian blur, of a radius between 0.1 and 2."""

    def __call__(self, picture: Image.Image) -> Image.Image:
        """The picture, blurred."""
        radius = 0.1 + 1.9 * torch.rand(()).item()
        return picture.filter(ImageFilter.GaussianBlur(radius))


def transform(recipe: Recipe) -> Callable[[Image.Image], Tensor]:
    """What makes a view of a picture."""
    steps: list[Any] = [
        transforms.RandomResizedCrop(recipe.image_size, scale=(0.08, 1.0)),
        transforms.RandomApply([transforms.ColorJitter(*recipe.jitter)], p=0.8),
        transforms.RandomGrayscale(p=0.2),
    ]
    if recipe.blur > 0:
        steps.append(transforms.RandomApply([PillowBlur()], p=recipe.blur))
    steps += [transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    return transforms.Compose(steps)
