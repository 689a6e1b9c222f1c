"""A configuration put together: everything that takes a step, and nothing that reads or writes files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from batching import Report, Selection, derived_seed
from losses import Loss
from training import Ranks, make_optimizer, warmup_cosine
from training.captured import steps_for
from training.steps import MakeSteps
from vision.ahead import steps_within
from vision.config import VisionConfig
from vision.data import Images
from vision.model import Encoder
from vision.momentum import Follower
from vision.pairs import ImagePairs


@dataclass(frozen=True, eq=False)
class Parts:
    """What `training.fit` is given, beside a run and what to watch."""

    pairs: ImagePairs
    rule: Selection
    loss: Loss
    optimizer: torch.optim.Optimizer
    learning_rate: Callable[[int], float]
    report: Report
    make_steps: MakeSteps
    updates: int

    @property
    def encoder(self) -> Encoder:
        """What is trained."""
        return self.pairs.encoder


def assemble(config: VisionConfig, images: Images, ranks: Ranks | None = None) -> Parts:
    """The parts of a training.

    Args:
        config: What is trained, and how.
        images: The training images, where they shall stay: on the device, or on the host.
        ranks: Processes that train together; None for this one alone, on the device of the images.

    Raises:
        ValueError: If the parts do not fit each other or the images.
    """
    ranks = Ranks(device=images.pixels.device) if ranks is None else ranks
    n_pairs = len(images)
    config.check_sizes(n_pairs)
    rule = config.rule(config.chosen_apart(images.labels), group=ranks.group)
    rule.check(n_pairs, config.batch_size)
    ranks.check(rule, n_pairs, config.batch_size)
    encoder = build_encoder(config).to(ranks.device)
    pairs = image_pairs(encoder, images, config)
    loss = config.loss_function(n_pairs, ranks.device, group=ranks.group)
    updates = config.total_updates(n_pairs)
    return Parts(
        pairs=pairs,
        rule=rule,
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
        report=Report(config.temperature, images.labels),
        make_steps=steps_for(config.capture, pairs, loss, ranks),
        updates=updates,
    )


def build_encoder(config: VisionConfig) -> Encoder:
    """The encoder with its first weights, on the CPU."""
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
        steps_at_once=config.steps_at_once or (steps_within(config.batch_size, config.image_size) if on_gpu else 1),
        temperature=config.temperature,
    )


@contextmanager
def kernels(config: VisionConfig, device: torch.device) -> Iterator[None]:
    """How cuDNN chooses its kernels meanwhile: the fastest by trial, or always the same ones."""
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    if device.type == "cuda":
        cudnn.benchmark, cudnn.deterministic = not config.deterministic, config.deterministic
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = before
