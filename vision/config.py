"""What a run on images is made of, checked as soon as it is written down."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor
from typing_extensions import override

from losses import LOSSES, Loss, Queue, make_loss
from losses.distributed import Group
from training.captured import Capture
from training.config import UNBOUNDED, LossName, Ranges, TrainingConfig
from training.optimizers import OptimizerName, Scaling, scaled_rate
from training.task import FeatureMode
from vision.augmentation import Augmentation
from vision.data import known_dataset
from vision.evaluate.suite import QuickMeasure
from vision.model import HeadNorm, Precision, Stem
from vision.pairs import Views


@dataclass(frozen=True, kw_only=True)
class VisionConfig(TrainingConfig):
    """A run: which images, which pairs meet, how the encoder is trained on them."""

    RANGES: ClassVar[Ranges] = {
        **TrainingConfig.RANGES,
        "n_pairs": (2, UNBOUNDED),
        "n_test": (2, UNBOUNDED),
        "image_size": (8, UNBOUNDED),
        "hidden_dim": (1, UNBOUNDED),
        "dim": (2, UNBOUNDED),
        "head_layers": (1, UNBOUNDED),
        "momentum_encoder": (0, 1),
        "queue_size": (1, UNBOUNDED),
        "embed_batch_size": (2, UNBOUNDED),
        "encode_batch_size": (2, UNBOUNDED),
        "epochs": (1, UNBOUNDED),
        "momentum": (0, 1),
        "trust": (0, UNBOUNDED),
        "steps_at_once": (1, UNBOUNDED),
        "keep_every": (0, UNBOUNDED),
        "evaluate_every": (0, UNBOUNDED),
    }
    USUAL_TEMPERATURES: ClassVar[str] = "0.1 to 0.5 is usual on images"
    NOT_RECORDED: ClassVar[tuple[str, ...]] = (*TrainingConfig.NOT_RECORDED, "steps_at_once", "resident")

    dataset: str = "cifar100"
    """Images to train on: cifar10, cifar100, tiny-imagenet, folder (FOLDER/train/CLASS/*.png and FOLDER/val, or
    test), or digits (comes with scikit-learn)."""
    data: Path = Path("data")
    """Folder of the data sets; `python -m vision.data NAME` says what it looks for there."""
    resident: bool = True
    """The training images lie on the device; if not, each batch travels there."""
    n_pairs: int | None = None
    """Training images, a fixed random choice; None for all. An image and its second view are one pair."""
    n_test: int | None = None
    """Held-out images to retrieve from at the end, likewise."""
    image_size: int = 32
    """Side of the views in pixels."""
    augmentation: Augmentation = field(default_factory=Augmentation)

    stem: Stem = "cifar"
    """First layers of the ResNet-18: for images of 32 pixels, or of 224 (on 32 a 15th of the work, and coarse)."""
    hidden_dim: int = 2048
    """Width of the projection head."""
    dim: int = 128
    """Of the embeddings."""
    head_layers: int = 2
    """Linear layers of the head."""
    head_norm: HeadNorm = "hidden"
    """Batch normalisation in the head: after hidden layers, after all (then no layer has a bias), or none."""
    zero_init_residual: bool = False
    """Residual branches begin at zero."""
    views: Views = "together"
    """How a batch's two views are encoded: batch normalisation sees both, or one after the other."""
    momentum_encoder: float | None = None
    """Second views go through an encoder that follows the trained one with this momentum (MoCo: 0.999)."""
    queue_size: int = 65_536
    """For the loss moco: keys of earlier batches that are negatives."""
    precision: Precision = "float32"
    """What the backbone computes in; everything else is float32."""
    feature_mode: FeatureMode = "eval"
    """When batches are chosen, batch normalisation uses its running statistics, or (train) those of each
    embed_batch_size images, as the code of Cho et al. does."""
    embed_batch_size: int = 1024
    """Images at a time when batches are chosen."""

    apart_labels: bool = False
    """Pairs of one class never share a batch."""
    candidates: int | None = 1500
    keep: int = 150
    batches_per_pool: int | None = 40

    loss: LossName = "nt_xent"
    temperature: float = 0.1
    batch_size: int = 32
    epochs: int = 100
    """How long to train; an epoch has as many updates as there are full batches (full and all: one)."""
    updates: int | None = None
    """How long to train, in updates; replaces --epochs."""
    optimizer: OptimizerName = "sgd"
    """sgd, lars (MoCo v3's, SogCLR's and the paper's), lars-clipped (solo-learn's), adam or adamw."""
    learning_rate: float = 0.3
    rate_scaling: Scaling = "linear"
    """The peak of the learning rate is --learning-rate times 1, sqrt(batch size), or (linear) batch size / 256."""
    warmup: float = 0.05
    momentum: float = 0.9
    """Of sgd and lars; of adam and adamw the first beta."""
    trust: float | None = None
    """Of lars: length of a layer's step over that of its weights; None for 0.001, and 0.02 for lars-clipped."""
    weight_decay: float = 1e-4

    measures: tuple[QuickMeasure, ...] = ("retrieval", "knn", "probe", "geometry")
    """What is measured at the end and, but for the probe, before training: retrieval of one view by the other, k
    nearest neighbours, linear probe, geometry (alignment, uniformity). `python -m vision.evaluate` has more."""
    evaluate_every: int = 0
    """Epochs between two measurements on the way, written to metrics.jsonl; 0 for none."""
    keep_every: int = 0
    """Epochs between two copies of the weights that are kept in the folder weights; 0 for none."""
    deterministic: bool = False
    """Take the same kernels always, on a GPU, where the fastest are looked for else: a run that was interrupted
    then ends with the bits of one that was not, as it does on a CPU anyway."""
    capture: Capture = "auto"
    """Record a whole step once and replay it as a CUDA graph: auto (on a GPU, where the loss allows), on, off."""
    compile: bool = False
    """Compile the backbone with torch.compile: a minute at the start, faster steps after it."""
    steps_at_once: int | None = None
    """Steps whose views are made together; None for 64 on a GPU and 1 elsewhere."""

    log_every: int = 500
    checkpoint_every: int = 10_000

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        dataset = known_dataset(self.dataset)
        for name, wanted, there in (
            ("n_pairs", self.n_pairs, dataset.n_train),
            ("n_test", self.n_test, dataset.n_test),
        ):
            if wanted is not None and there is not None and wanted > there:
                raise ValueError(
                    f"{name} must be at most {there}, the images that {self.dataset} has for it, got {wanted}"
                )
        if self.loss == "moco" and self.momentum_encoder is None:
            raise ValueError("the loss moco needs a momentum encoder; set momentum_encoder, 0.999 for instance")
        if self.loss == "moco" and self.loss_settings:
            raise ValueError(
                f"the loss moco is set by queue_size, got loss_settings {self.loss_settings}; leave them out"
            )
        if self.loss != "moco" and self.queue_size != VisionConfig.queue_size:
            raise ValueError(
                f"queue_size belongs to the loss moco, got {self.queue_size} for {self.loss}; leave it out"
            )
        if self.momentum_encoder is not None and self.encode_batch_size is not None:
            raise ValueError(
                f"a momentum encoder encodes whole batches, got encode_batch_size {self.encode_batch_size}; "
                "leave one of the two out"
            )
        n_pairs = self.n_pairs or dataset.n_train
        if n_pairs is not None:  # else the files tell, when they are read
            self.check_sizes(n_pairs)

    @property
    def stored_side(self) -> int | None:
        """The side that images without a size of their own are resized to when they are decoded."""
        return None if known_dataset(self.dataset).default_side is None else self.image_size

    @property
    def peak_rate(self) -> float:
        """The peak of the learning rate."""
        return scaled_rate(self.learning_rate, self.batch_size, self.rate_scaling)

    def epoch_updates(self, n_pairs: int) -> int:
        """Updates in an epoch of so many pairs: the same for all selections but full and all, which make one.

        A plan may hold fewer, where pools leave pairs out or only the hardest batches are kept; then the next one
        is made within the epoch.
        """
        return 1 if self.selection in ("full", "all") else n_pairs // self.batch_size

    def total_updates(self, n_pairs: int) -> int:
        """How long to train on so many pairs."""
        return self.updates if self.updates is not None else self.epochs * self.epoch_updates(n_pairs)

    @override
    def loss_function(
        self, n_pairs: int, device: torch.device | str = "cpu", *, group: Group | None = None
    ) -> Loss:
        """As for every training; moco, too, where there is a momentum encoder."""
        if self.loss != "moco":
            return super().loss_function(n_pairs, device, group=group)
        return Queue(self.dim, size=self.queue_size, temperature=self.temperature, group=group).to(device)

    @override
    def scoring_loss(self) -> Loss:
        """As for every training; for moco it is info_nce, which is moco without a queue."""
        return (
            make_loss("info_nce", temperature=self.temperature) if self.loss == "moco" else super().scoring_loss()
        )

    @property
    def raw(self) -> bool:
        """Whether the loss takes embeddings of any length."""
        return LOSSES[self.loss].raw

    def chosen_apart(self, labels: Int[Tensor, " n_pairs"]) -> Int[Tensor, " n_pairs"] | None:
        """The labels by which pairs are kept apart, if they are."""
        return labels.cpu() if self.apart_labels else None
