"""The jobs of `make gpu`, most valuable first: benchmarks, short studies, then trainings seed by seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from benchmarks.peer_cases import PEERS


@dataclass(frozen=True)
class Job:
    """A run or a benchmark: its name, its command, and what it cannot do without."""

    name: str
    command: str
    needs: str = ""
    """A file of a data set."""
    imports: tuple[str, ...] = ()
    table: str = ""
    """What a benchmark writes; a run has a folder."""
    minutes: float = 0.5
    """About so long on one H200. For trainings an estimate until the first is done."""
    corrupted: str = ""
    """A data set whose corrupted images, if they are there, are retrieved from when the run is finished."""


_CIFAR10 = "cifar-10-batches-py/data_batch_1"
_CIFAR100 = "cifar-100-python/train"
_MSMARCO = "msmarco-passage-sample/collection.tsv"
_TEXT_LOSSES = ("nt_xent", "dcl", "dcl_one_way", "dhel_anchor", "dhel_mean", "arc_margin", "sogclr")
_STUDY = "synthetic.py --N 8 --num_steps 2000 --batch_size_list 2 --no-figures --device cuda --seeds 4096"
_SELECTIONS = {  # the options of each, and minutes of a training at 32 pixels
    "shuffled": ("--selection shuffled", 5),
    "osgd": ("--selection osgd", 11),
    "spectral": ("--selection spectral", 7),
    "balanced": ("--selection balanced", 7),
    "graph": ("--selection graph", 10),
    "pooled-design": ("--selection pooled-design", 5),
    "graph-guarded": ("--selection graph --max-similarity 0.95", 11),
}
_LARGE_MINUTES = {"shuffled": 10, "osgd": 40, "spectral": 16}
"""Of a training at 224 pixels."""


def _training(
    preset: str,
    name: str,
    options: str,
    seed: int,
    *,
    minutes: float,
    dataset: str = "cifar100",
    needs: str = _CIFAR100,
) -> Job:
    command = f"-m vision.train {preset} {options} --seed {seed} --device cuda"
    return Job(f"{preset}-{name}-seed{seed}", command, needs, minutes=minutes, corrupted=dataset)


def _cifar100(seed: int, loss: str) -> Iterator[Job]:
    """Every selection."""
    for name, (options, minutes) in _SELECTIONS.items():
        more = f"{options} --loss {loss} --evaluate-every 10 --keep-every 20"
        yield _training("cifar100", f"{loss}-{name}", more, seed, minutes=minutes)


def _paper(seed: int) -> Iterator[Job]:
    for name, minutes in _LARGE_MINUTES.items():
        yield _training("cifar100-paper", name, f"--selection {name}", seed, minutes=minutes)


def _losses(seed: int) -> Iterator[Job]:
    for loss in ("clip", "nt_xent", "dcl", "dhel_mean"):
        yield _training("cifar100-losses", loss, f"--loss {loss}", seed, minutes=20)


def _flatclr(seed: int) -> Iterator[Job]:
    """The sweep over batch sizes, against NT-Xent."""
    for loss, size in product(("flatnce", "nt_xent"), (64, 128, 256, 512)):
        options, minutes = f"--loss {loss} --batch-size {size}", 3 if size > 64 else 4
        yield _training(
            "flatclr", f"{loss}-{size}", options, seed, minutes=minutes, dataset="cifar10", needs=_CIFAR10
        )


def _msmarco(seed: int) -> Iterator[Job]:
    """A MiniLM-L6 from scratch on MS MARCO's sample: every selection, and every loss with shuffled batches."""
    options = "--n-pairs 11968 --batch-size 64 --epochs 10 --device cuda"
    arms = [("mnrl", name, chosen) for name, (chosen, _) in _SELECTIONS.items()]
    arms += [(loss, "shuffled", "--selection shuffled") for loss in _TEXT_LOSSES]
    for loss, name, chosen in arms:
        command = f"-m text.train msmarco-sample-scratch {chosen} --loss {loss} --seed {seed} {options}"
        yield Job(f"msmarco-sample-{loss}-{name}-seed{seed}", command, _MSMARCO, minutes=1)


def _docstrings(seed: int) -> Iterator[Job]:
    for name in ("shuffled", "spectral", "osgd"):
        command = f"-m text.train docstrings --device cuda --selection {name} --seed {seed}"
        yield Job(f"docstrings-{name}-seed{seed}", command)


def _trainings() -> Iterator[Job]:
    """The first seed of everything before the second of anything."""
    for seed in range(3):
        yield from _cifar100(seed, "nt_xent")
        yield from _paper(seed)
        yield from _cifar100(seed, "sogclr")
        yield from _losses(seed)
        yield from _docstrings(seed)
        yield from _msmarco(seed)
        yield from _flatclr(seed)


JOBS: tuple[Job, ...] = (
    Job("vision", "-m benchmarks.vision --device cuda --seconds 9", table="vision_cuda.csv", minutes=8),
    Job("augmentation", "-m benchmarks.augmentation --device cuda", table="augmentation_cuda.csv", minutes=1),
    Job("scale", "-m benchmarks.scale --device cuda", table="scale_cuda.csv", minutes=1),
    Job(
        "peers",
        "-m benchmarks.peers --device cuda",
        imports=tuple(PEERS.values()),
        table="peers_cuda.csv",
        minutes=3,
    ),
    Job("selection", "-m benchmarks.selection --device cuda", table="selection_cuda.csv", minutes=6),
    Job(
        "text",
        "-m benchmarks.text --device cuda",
        table="text_cuda.csv",
        minutes=8,
    ),
    Job("synthetic", "-m benchmarks.synthetic --device cuda", table="synthetic_cuda.csv", minutes=4),
    Job("synthetic-d16-4096", f"{_STUDY} --d 16"),
    Job("synthetic-d4-4096", f"{_STUDY} --d 4"),
    Job("design-race", "-m synthetic.sweep design-race --device cuda", minutes=9),
    *_trainings(),
)
