"""Plans for the pairs in a file by one method or by all, and the table that tells what they are like."""

import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from batching.command.config import EVERY, PlanConfig
from batching.command.measured import Measured, check_fits, hardness_in, measured
from batching.device import resolve_device, use_threads
from batching.files import PairFile, read_pairs, write_plan
from batching.plan import Selection
from batching.registry import make_selection
from batching.rules.guards import Guards
from batching.rules.oblivious import Shuffled
from batching.settings import settings_in
from batching.table import aligned
from losses import make_loss

_COLUMNS = {
    "hardness_before": ".4f",
    "hardness": ".4f",
    "purity": ".3f",
    "coverage": ".2e",
    "seconds": ".3f",
    "peak_mib": ".1f",
}
_HEADER = ("method", "engine", "batches", *(name.replace("_", " ").replace("mib", "MiB") for name in _COLUMNS))


@dataclass(frozen=True)
class Inputs:
    """What a configuration's files hold."""

    pairs: PairFile
    teacher: PairFile | None
    reference: PairFile | None

    @classmethod
    def read(cls, config: PlanConfig) -> "Inputs":
        """Open all files.

        Raises:
            ValueError: If they do not hold what is asked for, or are not of the same pairs.
        """
        device = resolve_device(config.device)
        pairs = read_pairs(
            config.files, label=config.label, index=config.index, normalise=config.normalise, device=device
        )
        for name in config.apart:
            if getattr(pairs, name) is None:
                raise ValueError(f"--apart {name} needs {name} in {config.files[0]}, or --{name} FILE; got neither")
        others = []
        for name, paths in (("teacher", config.teacher), ("reference", config.reference)):
            other = read_pairs(paths, normalise=config.normalise, device=device) if paths else None
            if other is not None and other.n_pairs != pairs.n_pairs:
                raise ValueError(
                    f"the {name} must embed the same {pairs.n_pairs} pairs, got {other.n_pairs} from {paths[0]}"
                )
            others.append(other)
        return cls(pairs, *others)

    def rule(self, name: str, config: PlanConfig) -> Selection:
        """The rule of this name, its sizes checked.

        Raises:
            ValueError: If it does not fit.
        """
        guards = Guards(
            labels=self.pairs.label if "label" in config.apart else None,
            ids=self.pairs.index if "index" in config.apart else None,
            max_similarity=config.max_similarity,
            skip_nearest=config.skip_nearest,
        )
        others = {
            "loss": make_loss(config.loss, n_pairs=self.pairs.n_pairs, temperature=config.temperature),
            "guards": guards,
            "teacher": None if self.teacher is None else self.teacher.embed,
            "reference": None if self.reference is None else self.reference.embed,
        }
        rule = make_selection(name, **settings_in(config, **others))
        check_fits(rule, self.pairs.n_pairs, config.batch_size)
        return rule


def run(config: PlanConfig) -> dict[str, Measured]:
    """Plan by the methods asked for, write the plans, print the table.

    Returns:
        What came out, by the method's name.

    Raises:
        ValueError: If an input is wrong, or the method does not fit it; with all methods only if none does.
    """
    config.check()
    if config.threads is not None:
        use_threads(config.threads)
    inputs = Inputs.read(config)
    before = _hardness_before(inputs.pairs, config)
    found: dict[str, Measured] = {}
    left_out: dict[str, str] = {}
    for name in tqdm(config.names, disable=None if config.selection == EVERY else True, leave=False):
        try:
            found[name] = _one(name, config, inputs, before)
        except (ValueError, ImportError, MemoryError, torch.OutOfMemoryError) as error:
            # Of all methods, one that lacks a library or memory is no reason to lose the others.
            if config.selection != EVERY:
                raise
            left_out[name] = str(error).split("\n")[0] or type(error).__name__
    if not found:
        raise ValueError(f"no method fits; {config.names[0]}: {left_out[config.names[0]]}")
    sys.stdout.write(_report(config, inputs.pairs, found, left_out))
    for name, made in found.items():
        for note in made.notes:
            sys.stderr.write(f"warning: {name}: {note}\n")
    return found


def _one(name: str, config: PlanConfig, inputs: Inputs, before: float) -> Measured:
    """Plan by this method, and write the plan."""
    pairs = inputs.pairs
    made = measured(
        inputs.rule(name, config),
        pairs,
        config.batch_size,
        seed=config.seed,
        epoch=config.epoch,
        temperature=config.temperature,
        before=before,
    )
    if config.out is not None:
        info = {"selection": name, **made.info, "settings": _settings(config), "versions": _versions()}
        write_plan(config.target(name), made.batches, made.remainder, pairs.index, info)
    return made


def _hardness_before(pairs: PairFile, config: PlanConfig) -> float:
    """Of random batches."""
    shuffled, sizes = Shuffled(), (pairs.n_pairs, config.batch_size)
    shuffled.check(*sizes)
    plan = shuffled.plan(*sizes, seed=config.seed, epoch=config.epoch, embed=pairs.embed)
    assert isinstance(plan.batches, torch.Tensor)
    return hardness_in(pairs, plan.batches, config.temperature)


def _report(config: PlanConfig, pairs: PairFile, found: Mapping[str, Measured], left_out: Mapping[str, str]) -> str:
    """The table, with a line before it of what was planned, and lines behind it of what was not, and where to."""
    lines = [
        f"{pairs.n_pairs} pairs of dimension {pairs.dim}, batches of {config.batch_size}, temperature "
        f"{config.temperature:g}, seed {config.seed}, epoch {config.epoch}; hardness in nats",
        "",
        aligned(_HEADER, [_row(name, made) for name, made in found.items()], words=2).rstrip(),
    ]
    if left_out:
        lines += ["", "left out:", *(f"  {name}: {reason}" for name, reason in left_out.items())]
    if config.out is not None:
        lines += ["", f"written: {config.out}"]
    return "\n".join(lines) + "\n"


def _row(name: str, made: Measured) -> list[str]:
    info = made.info
    shown = [format(info[key], style) if key in info else "-" for key, style in _COLUMNS.items()]
    return [name, str(info.get("engine", "-")), str(len(made.batches)), *shown]


def _settings(config: PlanConfig) -> dict[str, Any]:
    """The configuration in words and numbers."""
    return json.loads(json.dumps(asdict(config), default=str))


def _versions() -> dict[str, str]:
    try:
        own = version("contrabatch")
    except PackageNotFoundError:  # run from a checkout
        own = "not installed"
    return {
        "contrabatch": own,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
