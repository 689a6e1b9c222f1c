"""What a run on images is made of, checked as soon as it is written down, and the presets."""

from dataclasses import asdict, dataclass, field
from math import comb
from pathlib import Path
from typing import Any, Literal, get_args

from batching import Selection, canonical_name, make_selection
from losses import LOSSES
from vision.augment import Augmentation
from vision.data import known_dataset
from vision.model import Precision, Stem
from vision.pairs import Views

Replan = Literal["epoch", "pool"]

_MOST_PAIRS_AT_ONCE = 16_384
"""In one update; more would not fit into memory, or never end."""


@dataclass(frozen=True, kw_only=True)
class VisionConfig:
    """A run: which images, which pairs meet, how the encoder is trained on them."""

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

    selection: str = "shuffled"
    """Which pairs meet in a batch: shuffled, fixed, osgd, spectral, full or all, or by the names of the published
    code s, f, osgd_NcB, sc_even, full or NcB."""
    candidates: int | None = 1500
    """For osgd: random batches to score; None for all that there are."""
    keep: int = 150
    """For osgd: how many of them, those of largest loss, to train on."""
    pool_batches: int | None = 40
    """For spectral: batches made from one pool of pairs; None for one pool of all."""
    replan: Replan = "epoch"
    """For spectral: form all batches at the start of an epoch, or pool by pool with the weights of then."""

    loss: str = "nt_xent"
    """What is minimised: info_nce, clip, clip_sum or nt_xent."""
    temperature: float = 0.1
    """Of the loss, and of the scores by which batches are chosen."""
    batch_size: int = 32
    """Pairs in a batch."""
    epochs: int = 100
    """How long to train; an epoch has as many updates as there are full batches (full and all: one)."""
    updates: int | None = None
    """How long to train, in updates; replaces --epochs."""
    learning_rate: float = 0.03
    """Peak of the learning rate; it ends at 0 along half a cosine."""
    warmup: float = 0.05
    """Part of the updates, from 0 to 1, in which the learning rate rises to its peak."""
    momentum: float = 0.9
    """Of stochastic gradient descent."""
    weight_decay: float = 5e-4
    """Of all weights."""

    seed: int = 0
    """Of the weights, the augmentation and the batches."""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda, cuda:1, ..."""
    log_every: int = 50
    """Updates between two lines of metrics.jsonl."""
    checkpoint_every: int = 1000
    """Updates between two checkpoints; 0 for none."""
    out: Path | None = None
    """Folder of the run; an unfinished run there is continued. runs/vision/PRESET-SELECTION-TIME if left out."""
    overwrite: bool = False
    """Discard a run that is in the folder."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, before anything is read or built."""
        object.__setattr__(self, "selection", canonical_name(self.selection))
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {self.loss!r}")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in get_args(choices):
                raise ValueError(
                    f"{name} must be one of {', '.join(get_args(choices))}, got {getattr(self, name)!r}"
                )
        for name, (lowest, highest) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not lowest <= value <= highest:
                bounds = f"at least {lowest}" if highest == _INFINITY else f"from {lowest} to {highest}"
                default = VisionConfig.__dataclass_fields__[name].default
                usual = "leave it out" if default is None else f"the default is {default}"
                raise ValueError(f"{name} must be {bounds}, got {value}; {usual}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}; 0.1 to 0.5 is usual on images")
        self._check_sizes()

    def _check_sizes(self) -> None:
        dataset = known_dataset(self.dataset)
        for name, wanted, there in (
            ("n_pairs", self.n_pairs, dataset.n_train),
            ("n_test", self.n_test, dataset.n_test),
        ):
            if wanted is not None and wanted > there:
                raise ValueError(
                    f"{name} must be at most {there}, the images that {self.dataset} has for it, got {wanted}"
                )
        n_pairs = self.n_pairs or dataset.n_train
        self.rule().check(n_pairs, self.batch_size)
        at_once = {
            "full": n_pairs,
            "all": comb(n_pairs, self.batch_size) * self.batch_size,
        }.get(self.selection, self.batch_size)
        if at_once > _MOST_PAIRS_AT_ONCE:
            raise ValueError(
                f"an update may take at most {_MOST_PAIRS_AT_ONCE:,} pairs, but {self.selection!r} with batch_size "
                f"{self.batch_size} takes {at_once:,} of {n_pairs:,}; lower n_pairs, or use 'shuffled'"
            )

    def rule(self) -> Selection:
        """The selection rule with its settings."""
        return make_selection(
            self.selection,
            loss=LOSSES[self.loss],
            temperature=self.temperature,
            candidates=self.candidates,
            keep=self.keep,
            batches_per_pool=self.pool_batches,
            replan=self.replan,
        )

    def total_updates(self) -> int:
        """How long to train."""
        if self.updates is not None:
            return self.updates
        n_pairs = self.n_pairs or known_dataset(self.dataset).n_train
        return self.epochs * self.rule().updates_per_epoch(n_pairs, self.batch_size)

    def record(self) -> dict[str, Any]:
        """Everything that the result depends on, ready for JSON."""
        kept = asdict(self)
        del kept["out"], kept["overwrite"]
        return kept | {"data": str(self.data)}


_INFINITY = float("inf")
_CHOICES: dict[str, Any] = {"stem": Stem, "views": Views, "precision": Precision, "replan": Replan}
_RANGES: dict[str, tuple[float, float]] = {
    "n_pairs": (2, _INFINITY),
    "n_test": (2, _INFINITY),
    "image_size": (8, _INFINITY),
    "hidden_dim": (1, _INFINITY),
    "dim": (2, _INFINITY),
    "candidates": (1, _INFINITY),
    "pool_batches": (1, _INFINITY),
    "batch_size": (2, _INFINITY),
    "epochs": (1, _INFINITY),
    "updates": (1, _INFINITY),
    "learning_rate": (0, _INFINITY),
    "warmup": (0, 1),
    "momentum": (0, 1),
    "weight_decay": (0, _INFINITY),
    "log_every": (1, _INFINITY),
    "checkpoint_every": (0, _INFINITY),
}


PRESETS: dict[str, VisionConfig] = {
    # python -m vision.train digits --selection shuffled
    # 30 s of one CPU core, 0.18 s an update (spectral and osgd: 45 s). Recall@1 among 360 held-out digits, mean and
    # standard deviation of seeds 0-2: untrained 0.172 (0.010), shuffled 0.462 (0.008), spectral 0.423 (0.022).
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
        pool_batches=4,
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
