"""What a run on images is made of, checked as soon as it is written down, and the presets."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from training.config import UNBOUNDED, LossName, Ranges, TrainingConfig
from vision.augmentation import Augmentation
from vision.data import known_dataset
from vision.model import Precision, Stem
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
        "epochs": (1, UNBOUNDED),
        "momentum": (0, 1),
    }
    USUAL_TEMPERATURES: ClassVar[str] = "0.1 to 0.5 is usual on images"

    dataset: str = "cifar100"
    """Images to train on: cifar100 (needs its files) or digits (comes with scikit-learn)."""
    data: Path = Path("data")
    """Folder of the data sets; cifar100 is looked for in FOLDER/cifar-100-python."""
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
    views: Views = "together"
    """How a batch's two views are encoded: batch normalisation sees both, or one after the other."""
    precision: Precision = "float32"
    """What the backbone computes in; everything else is float32."""

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
    learning_rate: float = 0.03
    warmup: float = 0.05
    momentum: float = 0.9
    """Of stochastic gradient descent."""
    weight_decay: float = 5e-4

    log_every: int = 50
    checkpoint_every: int = 1000

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        dataset = known_dataset(self.dataset)
        for name, wanted, there in (
            ("n_pairs", self.n_pairs, dataset.n_train),
            ("n_test", self.n_test, dataset.n_test),
        ):
            if wanted is not None and wanted > there:
                raise ValueError(
                    f"{name} must be at most {there}, the images that {self.dataset} has for it, got {wanted}"
                )
        self.check_sizes(self.n_pairs or dataset.n_train)

    def total_updates(self) -> int:
        """How long to train."""
        if self.updates is not None:
            return self.updates
        n_pairs = self.n_pairs or known_dataset(self.dataset).n_train
        return self.epochs * self.rule().updates_per_epoch(n_pairs, self.batch_size)


PRESETS: dict[str, VisionConfig] = {
    # python -m vision.train digits --selection shuffled
    # 30 s of one CPU core, 0.18 s an update (spectral and osgd: 45 s). Recall@1 among 360 held-out digits, mean and
    # standard deviation of seeds 0-2: untrained 0.172 (0.010), shuffled 0.462 (0.008), spectral 0.423 (0.014).
    "digits": VisionConfig(
        dataset="digits",
        n_pairs=1408,  # 44 batches of 32, so that a fixed partition exists
        augmentation=Augmentation(min_area=0.5, flip=0.0, jitter=0.0, grey=0.0),
        stem="imagenet",
        candidates=44,
        keep=11,
        updates=120,
        learning_rate=0.01,
        log_every=10,
        checkpoint_every=40,
    ),
    # python -m vision.train cifar100 --selection spectral --precision bfloat16
    # The images, the batches and the augmentation of Cho et al. (2024, arXiv 2307.05906), except: the CIFAR stem at
    # 32 pixels and not ImageNet's at 224, no blur, a plainer head, stochastic gradient descent and not LARS, and
    # retrieval among the test images. 156,200 updates; cost and result are not measured. With --stem imagenet
    # --updates 20 it takes 36 s of a CPU core, most of it for retrieval among 10,000 images before and after.
    "cifar100": VisionConfig(
        n_pairs=49_984,  # 1562 batches of 32, so that a fixed partition exists
        epochs=100,
    ),
    # python -m vision.train smoke
    # A second of one CPU core; learns nothing.
    "smoke": VisionConfig(
        dataset="digits",
        n_pairs=64,
        n_test=32,
        image_size=16,
        stem="imagenet",
        hidden_dim=32,
        dim=16,
        batch_size=8,
        candidates=8,
        keep=4,
        batches_per_pool=4,
        updates=6,
        log_every=1,
        checkpoint_every=2,
    ),
}

DESCRIPTIONS: dict[str, str] = {
    "digits": "digits that come with scikit-learn, 120 updates: half a minute of one CPU core",
    "cifar100": "CIFAR-100, 100 epochs in batches of 32: for a GPU",
    "smoke": "64 digits of 16 pixels, 6 updates: for tests, learns nothing",
}
"""One line for each preset, shown by --help."""
