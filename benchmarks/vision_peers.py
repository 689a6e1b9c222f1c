"""How others train on images: Pillow pictures, a DataLoader with workers, eager PyTorch, one step after the other.

The recipes are those of `benchmarks.vision_recipes`. They are not the packages that they are named after, which
need not be installed: no logging, no callbacks, no files to decode (pictures come from memory), one eager NT-Xent
for all. What they leave out makes them faster than the originals. All encode the two views one after the other.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision.models import resnet18
from typing_extensions import override

from benchmarks.vision_clock import Clock, Timing
from benchmarks.vision_recipes import Recipe, transform

_AHEAD = 2
"""Batches that each worker of a DataLoader makes ahead, PyTorch's default."""


class Pictures(Dataset[tuple[Tensor, Tensor]]):
    """Two views of each picture."""

    def __init__(self, pixels: UInt8[np.ndarray, "n side side 3"], view: Callable[[Image.Image], Tensor]) -> None:
        """See the class."""
        self.pixels, self.view = pixels, view

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.pixels)

    @override
    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        picture = Image.fromarray(self.pixels[index])
        return self.view(picture), self.view(picture)


class Peer:
    """Takes a recipe's steps.

    Args:
        recipe: What a step is.
        pixels: The training images.
        device: Where the network is.
        workers: Processes that make views; 0 for none beside this one.
        seed: Of the weights and of the order of the images.
    """

    def __init__(
        self,
        recipe: Recipe,
        pixels: UInt8[Tensor, "n 3 side side"],
        *,
        device: torch.device,
        workers: int,
        seed: int,
    ) -> None:
        """See the class."""
        self.recipe, self.device = recipe, device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = nn.Sequential(_backbone(recipe.stem), recipe.head()).to(device).train()
        if recipe.channels_last:
            self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.optimizer = recipe.optimizer(list(self.model.parameters()))
        self.half = recipe.half and device.type == "cuda"
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.half)
        data = Pictures(pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy(), transform(recipe))
        order = torch.Generator().manual_seed(seed)
        self.loader = DataLoader(
            data,
            recipe.batch_size,
            sampler=RandomSampler(data, generator=order),
            generator=order,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            drop_last=True,
            persistent_workers=workers > 0,
        )
        self.warm_up = _AHEAD * workers + 2
        self.batches = self._endless()

    def take(self, steps: int) -> Timing:
        """So many steps on the clock, after those that use up what the workers made while others were at work."""
        for _ in range(self.warm_up):
            self._step()
        clock = Clock(self.device)
        for _ in range(steps):
            self._step()
        return clock.stop(steps)

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.loader

    def _step(self) -> None:
        layout = torch.channels_last if self.recipe.channels_last else torch.preserve_format
        first, second = (x.to(self.device, non_blocking=True, memory_format=layout) for x in next(self.batches))
        half = torch.autocast(self.device.type, torch.float16) if self.half else nullcontext()
        with half:
            a, b = self.model(first), self.model(second)
        loss = eager_nt_xent(a.float(), b.float(), self.recipe.temperature)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.recipe.reads_loss:
            loss.item()


def _backbone(stem: str) -> nn.Module:
    network = resnet18(weights=None)
    network.fc = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    if stem == "cifar":
        network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    return network


def eager_nt_xent(
    a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"], temperature: float
) -> Float[Tensor, ""]:
    """NT-Xent over all 2B anchors, as most code writes it."""
    z = functional.normalize(torch.cat([a, b]), dim=1)
    own = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (z @ z.T / temperature).masked_fill(own, float("-inf"))
    return functional.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(a)))
