"""Text training in one process and, through `run`, in two that share every batch: what tests compare."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from text import train
from text.augmentation import Augmentation
from text.config import TextConfig
from text.data import store
from training import Ranks, Run

TINY = {
    "n_pairs": 48,
    "baselines": (),
    "vocabulary_size": 160,
    "max_tokens": 24,
    "hidden": 16,
    "heads": 2,
    "dropout": 0.0,
    "batches_per_pool": 3,
    "batch_size": 8,
    "updates": 9,
    "learning_rate": 0.01,
    "log_every": 3,
    "checkpoint_every": 2,
    "device": "cpu",
}
OF_PAIRS = {"dataset": "pairs", "loss": "mnrl", "n_negatives": 1}
# An epoch has 6 updates; where the data are the file of pairs, queries have several answers, and share some.
CASES = {
    "shuffled": {},
    "graph": {"selection": "graph"},
    "hard negatives": OF_PAIRS,
    "augmented, in chunks": OF_PAIRS
    | {"augmentation": Augmentation(delete=0.3, swap=0.3), "encode_batch_size": 3, "apart_ids": True},
    "dropout": OF_PAIRS | {"dropout": 0.3},
}
ALONE = [case for case in CASES if case != "dropout"]
"""What one process does, too: dropout draws for the pairs of each process."""
RESUMED = "dropout"
STOPPED_AT = 6


class Killed(Exception):
    """What ends a run."""


def config(case, data, out):
    settings = TINY | CASES[case]
    return TextConfig(data=data["pairs" if settings.get("dataset") == "pairs" else "library"], out=out, **settings)


def trained(case, data, out):
    """The weights of this process at the end of `text.train`, and what it returns."""
    kept, assemble = [], train.assemble

    def keeping(*given):
        kept.append(assemble(*given))
        return kept[-1]

    train.assemble = keeping
    try:
        result = train.main(config(case, data, out))
    finally:
        train.assemble = assemble
    weights = {name: x.clone() for name, x in kept[-1].encoder.state_dict().items()}
    return {"weights": weights, "result": {name: x for name, x in result.items() if name not in ("seconds", "out")}}


def resumed(case, data, out):
    """The same in two goes; the first ends in all processes, after its last checkpoint."""
    log = Run.log

    def until(self, line):
        log(self, line)
        if line["update"] == STOPPED_AT:
            raise Killed

    Run.log = until
    try:
        trained(case, data, out)
    except Killed:
        dist.barrier()
    finally:
        Run.log = log
    assert not (out / "result.json").exists()
    torch.rand(3)
    return trained(case, data, out)


def run(rank, folder, data, size):
    """What one process of several does: everything."""
    torch.set_num_threads(1)
    folder = Path(folder)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=rank,
        world_size=size,
        timeout=timedelta(minutes=2),
    )
    os.environ["RANK"] = str(rank)
    written, published, publish = watched(folder), [], store.publish
    store._SMALL = 10  # even so few tokens are kept in files

    def counting(place, *others):
        published.append(place.name)
        publish(place, *others)

    store.publish = counting
    cases = {case: trained(case, data, folder / case) for case in CASES}
    found = {
        "cases": cases,
        "resumed": resumed(RESUMED, data, folder / "resumed"),
        "written": list(written),
        "published": published,
        "rank": Ranks.from_environment().rank,
    }
    torch.save(found, folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def watched(folder):
    """A list to which the files and folders are added that this process makes in the folder."""
    written = []

    def hook(event, given):
        if event == "open" and isinstance(given[0], str):
            if given[2] & (os.O_WRONLY | os.O_RDWR) and given[0].startswith(str(folder)):
                written.append(given[0])
        elif event in ("os.mkdir", "os.rename") and str(given[0]).startswith(str(folder)):
            written.append(str(given[0]))

    sys.addaudithook(hook)
    return written
