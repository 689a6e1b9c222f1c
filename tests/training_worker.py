"""Training in one process and, through `run`, in two that share every batch: what tests compare.

As a program, `python -m training_worker FOLDER UPDATES`, it trains until it is told to end; under torchrun, too.
"""

import json
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional

from batching import Report, make_selection
from batching.seeded import normals
from losses import make_loss
from training import EncodedPairs, Interrupted, Progress, Ranks, Run, constant, fit, make_optimizer

N, FEATURES, B, UPDATES = 24, 6, 4, 14
POOLS = {"batches_per_pool": 3}
# Name of a case -> (selection, its settings, loss, other settings of `train`)
CASES = {
    "info_nce": ("shuffled", {}, "info_nce", {}),
    "nt_xent": ("shuffled", {}, "nt_xent", {}),
    "sogclr": ("shuffled", {}, "sogclr", {}),
    "full": ("full", {}, "nt_xent", {}),
    "osgd": ("osgd", {"candidates": 12, "keep": 4}, "nt_xent", {}),
    "osgd of all": ("osgd", {"keep": 3}, "nt_xent", {"n": 8}),
    "some random": ("osgd", {"candidates": 5, "keep": 2, "random_fraction": 0.5}, "nt_xent", {}),
    "spectral": ("spectral", POOLS, "nt_xent", {}),
    "balanced": ("balanced", POOLS, "nt_xent", {}),
    "balanced, shared pools": ("balanced", POOLS, "nt_xent", {"share_pools": True}),
    "spectral, shared pools, one at a time": (
        "spectral",
        POOLS | {"replan": "pool"},
        "nt_xent",
        {"share_pools": True},
    ),
    "in chunks": ("shuffled", {}, "nt_xent", {"encode_batch_size": 1}),
    "lars": ("shuffled", {}, "nt_xent", {"optimizer": "lars", "rate": 2.0}),
    "adamw": ("shuffled", {}, "nt_xent", {"optimizer": "adamw", "rate": 0.01}),
}
IN_FLOAT32 = ("nt_xent", "sogclr")
LOGGED = ("sogclr", "spectral", "balanced, shared pools")
RESUMED = [("sogclr", 7), ("spectral", 7), ("balanced, shared pools", 11)]


class Pairs(EncodedPairs):
    """Two noisy views of each row of a table, through a small network; may be killed, or be sent a signal."""

    def __init__(
        self,
        *,
        n=N,
        dtype=torch.float64,
        norm=None,
        seed=0,
        encode_batch_size=None,
        pause=0.0,
        killed_at=-1,
        told_at=-1,
        told=signal.SIGTERM,
    ):
        generator = torch.Generator().manual_seed(seed)
        layers = [nn.Linear(FEATURES, 8), norm(8) if norm else nn.Identity(), nn.ReLU(), nn.Linear(8, 5)]
        model = nn.Sequential(*layers).to(dtype)
        for p in model.parameters():
            p.data.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) / 2)
        super().__init__(model, n_pairs=n, seed=0, embed_batch_size=5, encode_batch_size=encode_batch_size)
        table = torch.randn(N, FEATURES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        self.table, self.dtype, self.pause = table, dtype, pause
        self.killed_at, self.told_at, self.told = killed_at, told_at, told
        self.embedded = 0

    def begin_update(self, update):
        time.sleep(self.pause)
        if update == self.killed_at:
            raise KeyError("killed")
        if update == self.told_at:
            signal.raise_signal(self.told)
        super().begin_update(update)

    def encode(self, index, *, purpose):
        self.embedded += len(index) if purpose == "embed" else 0
        counter = self.update if purpose == "train" else 0
        noise = normals(0, purpose, counter, 2 * N * FEATURES).reshape(2, N, FEATURES)[:, index]
        return tuple(
            functional.normalize(self.model((self.table[index] + 0.3 * side).to(self.dtype)), dim=-1)
            for side in noise
        )


def train(case, *, ranks=None, folder=None, updates=UPDATES, **others):
    """One case; what is to be compared."""
    selection, settings, loss_name, more = CASES[case]
    more = more | others
    ranks = ranks or Ranks()
    share, name, rate = (
        more.pop(key, usual) for key, usual in (("share_pools", False), ("optimizer", "sgd"), ("rate", 0.1))
    )
    options = {key: more.pop(key) for key in ("progress", "keep_every", "checkpoint_every") if key in more}
    task = Pairs(**more)
    score = make_loss("nt_xent", temperature=0.5)
    rule = make_selection(selection, loss=score, temperature=0.5, group=ranks.group if share else None, **settings)
    loss = make_loss(loss_name, n_pairs=task.n_pairs, temperature=0.5, group=ranks.group)
    if isinstance(loss, nn.Module):
        loss = loss.to(task.dtype)
    run = None if folder is None else Run.open(folder, experiment="test", config={"case": case}, ranks=ranks)
    last = fit(
        task,
        selection=rule,
        loss=loss,
        optimizer=make_optimizer(name, task.model.parameters(), learning_rate=rate, weight_decay=1e-3),
        learning_rate=constant(rate),
        batch_size=B,
        updates=updates,
        seed=5,
        log_every=3,
        run=run,
        report=Report(0.5),
        ranks=ranks,
        **{"checkpoint_every": 4} | options,
    )
    return {
        "weights": {key: x.clone() for key, x in task.model.state_dict().items()},
        "loss": last.loss,
        "memory": loss.state_dict() if isinstance(loss, nn.Module) else {},
        "embedded": task.embedded,
        "lines": lines(run) if run is not None and ranks.is_first else [],
    }


def lines(run):
    found = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in found]


def error(call):
    """What is said instead of working."""
    try:
        call()
    except ValueError as refused:
        return str(refused)
    return ""


def resumed(ranks, folder, case, **stopped):
    """The same as `train`, in two goes; and what was said at the end of the first."""
    message = ""
    try:
        train(case, ranks=ranks, folder=folder, **stopped)
    except KeyError:
        dist.barrier()
    except Interrupted as ended:
        message = ended.message
    return train(case, ranks=ranks, folder=folder) | {"message": message}


def averaged(ranks):
    """A module with all kinds of gradients and buffers, and losses, each of them 1 + rank times something."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Linear(2, 2)).double()
    module[0].to(memory_format=torch.channels_last)
    module[2].float()
    weight, bias = module[0].weight, module[2].bias
    weight.grad = (1 + ranks.rank) * torch.arange(108.0, dtype=torch.float64).reshape(4, 3, 3, 3).contiguous(
        memory_format=torch.channels_last
    )
    bias.grad = torch.tensor([1.0, 2.0]) * (1 + ranks.rank)
    module[1].running_mean.fill_(1 + ranks.rank)
    module[1].num_batches_tracked.fill_(7)
    losses = [torch.tensor([1.0 + ranks.rank]), torch.full((2,), 10.0 * (1 + ranks.rank))]
    ranks.average([module], losses)
    return {
        "gradients": {name: p.grad for name, p in module.named_parameters()},
        "buffers": dict(module.named_buffers()),
        "losses": losses,
    }


def refusals(ranks, folder):
    """What is said of what cannot work."""
    full = ("full", {}, "nt_xent", {"n": 23})
    CASES["full of 23"] = full
    batch = make_loss("nt_xent", temperature=0.5)

    def fit_with(**changed):
        task = changed.pop("task", None) or Pairs()
        usual = {
            "selection": make_selection("shuffled", loss=batch, temperature=0.5),
            "loss": make_loss("nt_xent", temperature=0.5, group=ranks.group),
            "optimizer": make_optimizer("sgd", task.model.parameters(), learning_rate=0.1),
            "learning_rate": constant(0.1),
            "batch_size": B,
            "updates": 2,
            "seed": 0,
            "log_every": 1,
        }
        fit(task, **usual | changed, ranks=ranks)

    (folder / "thesis").mkdir(exist_ok=True)
    (folder / "thesis" / "chapter").touch()
    return {
        "odd batches": error(lambda: fit_with(batch_size=5)),
        "odd set": error(lambda: train("full of 23", ranks=ranks)),
        "loss": error(lambda: fit_with(loss=batch)),
        "memory": error(lambda: fit_with(loss=make_loss("sogclr", n_pairs=N))),
        "different": error(lambda: fit_with(updates=2 + ranks.rank)),
        "folder": error(lambda: Run.open(folder / "thesis", experiment="test", config={}, ranks=ranks)),
    }


def run(rank, folder, size):
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
    with Ranks.from_environment() as ranks:
        found = {
            "cases": {
                case: train(case, ranks=ranks, folder=folder / case if case in LOGGED else None) for case in CASES
            },
            "float32": {case: train(case, ranks=ranks, dtype=torch.float32) for case in IN_FLOAT32},
            "norm": {case: train(case, ranks=ranks, norm=nn.BatchNorm1d) for case in ("nt_xent", "spectral")},
            "other weights": train("nt_xent", ranks=ranks, seed=rank),
            "resumed": {
                (case, at): resumed(ranks, folder / f"{case} {at}", case, killed_at=at) for case, at in RESUMED
            },
            "told": resumed(ranks, folder / "told", "sogclr", told_at=2 if rank else -1),
            "averaged": averaged(ranks),
            "refusals": refusals(ranks, folder),
            "first": ranks.first(lambda: f"of rank {rank}"),
            "largest": ranks.largest(rank),
        }
    torch.save(found, folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def main(folder, updates):
    """Train slowly, so that there is time to interrupt it."""
    with Ranks.from_environment() as ranks:
        progress = Progress("training", int(updates), shown=ranks.is_first)
        kept = train(
            "sogclr",
            ranks=ranks,
            folder=Path(folder),
            updates=int(updates),
            pause=0.01,
            progress=progress,
            keep_every=20,
            checkpoint_every=1000,
        )
        if ranks.is_first:
            torch.save(kept["weights"], Path(folder) / "model.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
