"""Train a ResNet-18 on chosen batches of images: `python -m vision.train PRESET [options]`.

    python -m vision.train digits                           # embedded data, half a minute on a CPU
    python -m vision.train digits --selection spectral      # the same, with chosen batches
    python -m vision.train cifar100 --selection osgd --out runs/vision/osgd-0
    torchrun --nproc-per-node 4 -m vision.train cifar100 --batch-size 256

The run folder holds config.json, metrics.jsonl, result.json and model.pt (the encoder's state_dict). A run that was
interrupted, by SIGTERM for instance, goes on when the same command is given again with the same --out.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch

from batching import Report, derived_seed
from losses import Loss
from training import (
    Moment,
    Progress,
    Ranks,
    Run,
    aligned,
    default_folder,
    fit,
    make_optimizer,
    parse_preset,
    resolve_device,
    run_command,
    warmup_cosine,
)
from training.captured import CapturedSteps, captures
from training.run import save_atomically
from training.steps import Steps
from vision.config import VisionConfig
from vision.data import Images, load_images
from vision.evaluate import evaluate
from vision.model import Encoder
from vision.momentum import Follower
from vision.pairs import ImagePairs
from vision.presets import DESCRIPTIONS, PRESETS

_STEPS_AHEAD = 64
"""Steps whose views are made together on a GPU: of 32 pairs of 32 pixels, 25 MB in bfloat16."""


def main(config: VisionConfig) -> dict[str, Any]:
    """Train and evaluate, alone or as one of torchrun's processes.

    Returns:
        What result.json holds, and the folder.

    Raises:
        ValueError: If the data, the device or the folder is not fit for use; nothing has been done then.
    """
    with Ranks.from_environment(resolve_device(config.device)) as ranks:
        tuned = (
            torch.backends.cudnn.flags(enabled=True, benchmark=True)
            if ranks.device.type == "cuda"
            else nullcontext()
        )
        with tuned:
            return _train(config, ranks)


def _train(config: VisionConfig, ranks: Ranks) -> dict[str, Any]:
    device = ranks.device
    train = load_images(config.dataset, config.data, "train", config.stored_side).subset(config.n_pairs)
    test = load_images(config.dataset, config.data, "test", config.stored_side).subset(config.n_test).to(device)
    rule = config.rule(config.chosen_apart(train.labels), group=ranks.group)
    config.check_sizes(len(train))
    rule.check(len(train), config.batch_size)
    ranks.check(rule, len(train), config.batch_size)
    updates = config.total_updates(len(train))

    encoder = build_encoder(config).to(device)
    pairs = image_pairs(encoder, train.to(device) if config.resident else train, config)
    loss = config.loss_function(len(train), device, group=ranks.group)
    steps = make_steps(config, pairs, loss)
    run = Run.open(
        config.out or default_folder("vision", config.dataset, config.selection),
        experiment="vision",
        config=config.record(),
        device=str(device),
        overwrite=config.overwrite,
        tensorboard=config.tensorboard,
        ranks=ranks,
    )
    measure = partial(evaluate, encoder, train, test, config)
    untrained = ranks.first(lambda: measure([name for name in config.measures if name != "probe"]))
    at_end = partial(ranks.first, lambda: measure(config.measures))
    on_the_way = _Measured(at_end, untrained, config, len(train), updates)
    with Progress(f"{config.dataset} {config.selection}", updates, shown=ranks.is_first) as progress:
        last = fit(
            pairs,
            selection=rule,
            loss=loss,
            optimizer=make_optimizer(
                config.optimizer,
                encoder.parameters(),
                learning_rate=config.peak_rate,
                momentum=config.momentum,
                weight_decay=config.weight_decay,
                trust=config.trust,
            ),
            learning_rate=warmup_cosine(config.peak_rate, updates, warmup=round(config.warmup * updates)),
            batch_size=config.batch_size,
            updates=updates,
            seed=config.seed,
            log_every=config.log_every,
            run=run,
            checkpoint_every=config.checkpoint_every,
            keep_every=config.keep_every * config.epoch_updates(len(train)),
            observe=on_the_way if config.evaluate_every else None,
            report=Report(config.temperature, train.labels),
            progress=progress,
            ranks=ranks,
            make_steps=steps,
        )
    result: dict[str, Any] = {
        "selection": config.selection,
        "updates": last.update,
        "updates_per_epoch": config.epoch_updates(len(train)),
        "pairs_seen": last.pairs_seen,
        "loss": None if last.loss is None else last.loss.item(),
        **(on_the_way.last or at_end()),
        **{f"untrained_{name}": value for name, value in untrained.items()},
        "n_train": len(train),
        "n_test": len(test),
        "images": train.source,
        "images_sha256": train.digest,
    }
    if ranks.is_first:
        save_atomically(run.path / "model.pt", encoder.state_dict())
    run.finish(result)
    result |= {"seconds": round(run.seconds(), 1), "out": str(run.path)}
    if ranks.is_first:
        sys.stdout.write(summary(result))
    return result


def build_encoder(config: VisionConfig) -> Encoder:
    """The encoder with its first weights."""
    encoder = Encoder(
        stem=config.stem,
        hidden_dim=config.hidden_dim,
        dim=config.dim,
        head_layers=config.head_layers,
        head_norm=config.head_norm,
        zero_init_residual=config.zero_init_residual,
        precision=config.precision,
        seed=derived_seed(config.seed, "weights"),
    )
    if config.compile:
        encoder.backbone.compile(dynamic=False)  # measuring sees other batches than training does
    return encoder


def image_pairs(encoder: Encoder, images: Images, config: VisionConfig) -> ImagePairs:
    """The training pairs of a configuration; the encoder is where it will train."""
    on_gpu = next(encoder.parameters()).is_cuda
    return ImagePairs(
        encoder,
        images,
        augmentation=config.augmentation,
        size=config.image_size,
        views=config.views,
        raw=config.raw,
        follower=None if config.momentum_encoder is None else Follower(encoder, config.momentum_encoder),
        feature_mode=config.feature_mode,
        embed_batch_size=config.embed_batch_size,
        seed=config.seed,
        encode_batch_size=config.encode_batch_size,
        steps_at_once=config.steps_at_once or (_STEPS_AHEAD if on_gpu else 1),
        temperature=config.temperature,
    )


def make_steps(config: VisionConfig, pairs: ImagePairs, loss: Loss) -> Callable[..., Steps]:
    """What takes the steps: recorded ones where that is asked for and possible.

    Raises:
        ValueError: If it is asked for and not possible.
    """
    if captures(config.capture, pairs, loss, pairs.device):
        return partial(CapturedSteps, device=pairs.device)
    return Steps


class _Measured:
    """What is measured every `evaluate_every` epochs, when a line is logged; and at the beginning and the end."""

    def __init__(
        self,
        measure: Callable[[], dict[str, float]],
        untrained: dict[str, float],
        config: VisionConfig,
        n_pairs: int,
        updates: int,
    ) -> None:
        self.measure, self.untrained = measure, untrained
        self.updates, self.log_every = updates, config.log_every
        self.every = config.evaluate_every * config.epoch_updates(n_pairs)
        self.last: dict[str, float] | None = None

    def __call__(self, moment: Moment) -> dict[str, float]:
        if moment.update == 0:
            return self.untrained
        if moment.update >= self.updates:
            self.last = self.measure()
            return self.last
        line_before = max(0, moment.update - self.log_every)
        return self.measure() if moment.update // self.every > line_before // self.every else {}


def summary(result: dict[str, Any]) -> str:
    """The result as a small table."""
    loss = "-" if result["loss"] is None else f"{result['loss']:.4f}"
    rows = [["loss", loss, ""]]
    for name, value in result.items():
        if f"untrained_{name}" in result or name.startswith("probe"):
            before = result.get(f"untrained_{name}")
            rows.append([name.replace("_", " "), _shown(value), "-" if before is None else _shown(before)])
    head = f"{result['selection']}, {result['updates']} updates, {result['seconds']} s: {result['out']}\n"
    return head + aligned(["", "trained", "untrained"], rows)


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def parse(argv: Sequence[str]) -> VisionConfig:
    """The configuration that a command line asks for."""
    return parse_preset(argv, experiment="vision", presets=PRESETS, descriptions=DESCRIPTIONS, description=__doc__)


if __name__ == "__main__":
    run_command(main, parse)
