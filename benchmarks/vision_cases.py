"""What the vision benchmark measures: our settings and, where there is one, the recipe that each is a pair with."""

from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import torch

from batching import planned
from benchmarks.vision_clock import Clock, Timing
from benchmarks.vision_recipes import RECIPES, Recipe
from training import Moment, fit
from vision.assembly import assemble
from vision.augmentation import Augmentation
from vision.config import VisionConfig
from vision.data import Images, load_images
from vision.presets import PRESETS

N_PAIRS = 49_984
"""Images to train on: 1562 batches of 32."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A setting: sizes and precision that ours and a peer's steps have in common."""

    config: VisionConfig
    peer: Recipe | None = None
    variants: tuple[str, ...]
    """Ways of ours, see `VARIANTS`."""
    scaled: str = ""
    """What is smaller than the name promises."""


VARIANTS: dict[str, dict[str, Any]] = {
    "eager": {"capture": "off", "compile": False},
    "compiled": {"capture": "off", "compile": True},
    "captured": {"capture": "on", "compile": False},
    "captured, compiled": {"capture": "on", "compile": True},
}
"""A step launched piece by piece, or recorded as a CUDA graph; torch.compile on the backbone."""
USUAL = {"cuda": "captured", "cpu": "eager"}
"""What `python -m vision.train` does by itself."""

_LIGHTLY = VisionConfig(
    n_pairs=N_PAIRS,
    augmentation=Augmentation(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    hidden_dim=512,
    head_norm="all",
    views="separately",
    temperature=0.5,
    batch_size=128,
    learning_rate=0.06,
    rate_scaling="none",
    weight_decay=5e-4,
)
_SOLO_LEARN = VisionConfig(
    n_pairs=N_PAIRS,
    augmentation=Augmentation(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, blur=0.5),
    dim=256,
    head_norm="none",
    views="separately",
    precision="bfloat16",
    temperature=0.2,
    batch_size=256,
    optimizer="lars-clipped",
    learning_rate=0.4,
    rate_scaling="none",
    weight_decay=1e-4,
)
CONFIGS: dict[str, VisionConfig] = {
    "cifar100": replace(PRESETS["cifar100"], n_pairs=N_PAIRS),
    "cifar100-256": replace(PRESETS["cifar100"], n_pairs=N_PAIRS, batch_size=256),
    "paper": replace(PRESETS["cifar100-paper"], n_pairs=N_PAIRS),
    "lightly": _LIGHTLY,
    "solo-learn": _SOLO_LEARN,
}
"""Ours; the last three at the sizes, stem, views and precision of the recipe of that name."""
_CPU_BATCH = {"cifar100": 32, "cifar100-256": 64, "paper": 8, "lightly": 32, "solo-learn": 32}
SELECTIONS = ("spectral", "balanced", "osgd")
_POOLS_ON_CPU = 2


def case(name: str, device: str) -> Case:
    """The case of this name, smaller on a CPU."""
    config, peer = CONFIGS[name], RECIPES.get(name)
    compiles = peer is None or name == "paper"
    if device == "cuda":
        variants = ("captured", "eager", "captured, compiled") if compiles else ("captured",)
        return Case(config=config, peer=peer, variants=variants)
    batch_size = _CPU_BATCH[name]
    scaled = [f"batch {batch_size} for {config.batch_size}"] * (batch_size != config.batch_size)
    scaled += ["ImageNet stem for the CIFAR stem"] * (config.stem == "cifar")
    scaled += ["float32 for half precision"] * (config.precision != "float32")
    smaller = replace(config, batch_size=batch_size, stem="imagenet", precision="float32")
    if peer is not None:
        peer = replace(peer, batch_size=batch_size, stem="imagenet", half=False)
    variants = ("eager", "compiled") if compiles else ("eager",)
    return Case(config=smaller, peer=peer, variants=variants, scaled="; ".join(scaled))


def selecting(selection: str, device: str) -> VisionConfig:
    """The case cifar100 with this selection; on a CPU with few pairs, and ordered SGD's numbers in proportion."""
    config = replace(case("cifar100", device).config, selection=selection, candidates=1500, keep=150)
    if device == "cuda":
        return config
    n_batches = _POOLS_ON_CPU * 40
    share = n_batches / (N_PAIRS // config.batch_size)
    return replace(
        config,
        n_pairs=n_batches * config.batch_size,
        candidates=round(1500 * share),
        keep=max(1, round(150 * share)),
    )


def training_images(data: Path, device: torch.device) -> tuple[Images, str]:
    """CIFAR-100's, or random ones where it is absent; and what they are."""
    try:
        images = load_images("cifar100", data, "train")
        told = "CIFAR-100"
    except ValueError as reason:
        generator = torch.Generator().manual_seed(0)
        pixels = torch.randint(256, (50_000, 3, 32, 32), generator=generator, dtype=torch.uint8)
        labels = torch.randint(100, (50_000,), generator=generator)
        names = tuple(map(str, range(100)))
        half = torch.full((3,), 0.5)
        images = Images(name="random", pixels=pixels, labels=labels, class_names=names, mean=half, std=half)
        told = f"random images ({reason})"
    return images.subset(N_PAIRS).to(device), told


class Ours:
    """Training as `python -m vision.train` does it, without a run folder.

    Args:
        config: Of the run.
        images: Training images, where the network is to be.
        line: Updates between two lines of the log; the first as many steps of `take` are not on the clock.
    """

    def __init__(self, config: VisionConfig, images: Images, *, line: int) -> None:
        """See the class."""
        self.config, self.line, self.device = config, line, images.pixels.device
        self.parts = assemble(config, images)

    def take(self, steps: int) -> Timing:
        """So many steps, rounded up to whole lines, after a line (and the first plan) off the clock."""
        updates = self.line * (1 + ceil(steps / self.line))
        clocks: list[Clock] = []
        timings: list[Timing] = []

        def watch(moment: Moment) -> dict[str, int | float]:
            if moment.update == self.line:
                clocks.append(Clock(self.device))
            elif moment.update == updates:
                timings.append(clocks[0].stop(updates - self.line))
            return {}

        parts = self.parts
        fit(
            parts.pairs,
            selection=parts.rule,
            loss=parts.loss,
            optimizer=parts.optimizer,
            learning_rate=parts.learning_rate,
            batch_size=self.config.batch_size,
            updates=updates,
            seed=self.config.seed,
            log_every=self.line,
            observe=watch,
            report=parts.report,
            make_steps=parts.make_steps,
        )
        return timings[0]

    def plan(self, *, times: int) -> Timing:
        """The median of so many plans, and of how many updates it is; the first of several is a warm-up."""
        timings, parts = [], self.parts
        for epoch in range(times):
            parts.pairs.begin_update(epoch)
            clock = Clock(self.device)
            plan = planned(
                parts.rule,
                parts.pairs.n_pairs,
                self.config.batch_size,
                seed=self.config.seed,
                epoch=epoch,
                embed=parts.pairs.embed,
                temperature=parts.report.temperature,
                labels=parts.report.labels,
            )
            timings.append(clock.stop(plan.n_updates))
        by_time = sorted(timings[1:] or timings, key=lambda timing: timing.seconds)
        return by_time[(len(by_time) - 1) // 2]
