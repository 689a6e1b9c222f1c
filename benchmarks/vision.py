"""Training on images, ours and as others do it: time of a whole step, side by side on this machine.

    python -m benchmarks.vision                           # CPU, small: under 10 minutes of two cores
    python -m benchmarks.vision --device cuda             # 10 minutes
    python -m benchmarks.vision --cases cifar100 paper

A step is everything from the images to the changed weights: views, forward, loss, backward, optimiser. Ours go
through `training.fit` with what `python -m vision.train` gives it, others as `benchmarks.vision_peers` says; all
take turns in this process, and what comes before the clock (compiling, recording, full queues of workers) does not
count. Rows by `case`:

    cifar100, cifar100-256     the preset cifar100, in batches of 32 and of 256
    paper, lightly, solo-learn     that code base's recipe, and ours at its sizes, stem, views and precision
    cifar100 + SELECTION       chosen batches: what planning adds

ms           median over the turns of the time of a step; `cpu_ms` the processor time of all processes in it
minutes      for 100 epochs of 50,000 images, planning included
ratio        ms over that of ours as it is by default (captured on a GPU, eager on a CPU) in the same case; for a
             selection the time of an epoch over that of shuffled
plan_seconds     embedding and choosing for as many updates as an epoch of shuffled has
floor_ms     the least that the step can take here, `bound` by arithmetic or memory (`benchmarks.floor`), and
over_floor   ms in multiples of it; of a case with a peer it is the floor of ours
scaled       what is smaller here than the case promises
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch._dynamo

from benchmarks.floor import Peaks, measure_peaks, work_of_step
from benchmarks.record import RESULTS, write_rows
from benchmarks.vision_cases import (
    CONFIGS,
    SELECTIONS,
    USUAL,
    VARIANTS,
    Case,
    Ours,
    case,
    selecting,
    training_images,
)
from benchmarks.vision_clock import Timing, Trainer
from benchmarks.vision_peers import Peer
from vision.assembly import build_encoder
from vision.config import VisionConfig
from vision.data import Images

ROUNDS = 3
LINE = {"cuda": 64, "cpu": 2}
"""Updates between two lines of the log; on a GPU also the stretch for which views are made at once."""
THEIRS = "recipe"
Row = dict[str, Any]
Key = tuple[str, str]
"""A case and a way of taking its steps."""


def trainers(cases: dict[str, Case], images: Images, *, workers: int) -> dict[Key, Trainer]:
    """Everyone who takes part; ours first in each case."""
    device = images.pixels.device
    found: dict[Key, Trainer] = {}
    for name, one in cases.items():
        for variant in one.variants:
            config = replace(one.config, **VARIANTS[variant])
            found[name, variant] = Ours(config, images, line=LINE[device.type])
        if one.peer is not None:
            found[name, THEIRS] = Peer(one.peer, images.pixels, device=device, workers=workers, seed=0)
    return found


def rounds(who: dict[Key, Trainer], *, seconds: float, shortest: int) -> dict[Key, list[Timing]]:
    """Everyone's turns, `seconds` in all for each, in rounds of alternating order."""
    pace = {}
    for key, trainer in who.items():  # compiles, and tells how many steps fill a turn
        timing = trainer.take(shortest)
        pace[key] = timing.seconds / timing.steps
        print(f"{', '.join(key):34} about {1e3 * pace[key]:.3f} ms", flush=True)
    found: dict[Key, list[Timing]] = {key: [] for key in who}
    for turn in range(ROUNDS):
        for key in list(who)[:: -1 if turn % 2 else 1]:
            steps = max(shortest, round(seconds / ROUNDS / pace[key]))
            found[key].append(who[key].take(steps))
    return found


def plans(images: Images, device: str) -> dict[str, Timing]:
    """A plan of each selection: seconds, and of how many updates."""
    found = {}
    for selection in SELECTIONS:
        config = selecting(selection, device)
        subset = images if config.n_pairs == len(images) else images.subset(config.n_pairs)
        timing = Ours(config, subset, line=LINE[device]).plan(times=4 if device == "cuda" else 1)
        found[selection] = timing
        print(f"{selection:34} {timing.seconds:.2f} s for {timing.steps} updates", flush=True)
    return found


def table(
    cases: dict[str, Case], timings: dict[Key, list[Timing]], planning: dict[str, Timing], peaks: Peaks, device: str
) -> list[Row]:
    """A row for everyone, and one for each selection."""
    rows = []
    for (name, variant), turns in timings.items():
        one = cases[name]
        usual = per_step(timings[name, USUAL[device]])
        row = {
            "case": name,
            "way": variant,
            "selection": "shuffled",
            **sizes(one.config),
            **columns(turns, one.config),
        }
        if variant == THEIRS and one.peer is not None and one.peer.half:
            row["precision"] = "float16"
        rows.append(row | {"ratio": f"{per_step(turns) / usual:.3g}", **floor(one.config, turns, peaks)})
        rows[-1]["scaled"] = one.scaled
    for selection, timing in planning.items():
        config = selecting(selection, device)
        turns = timings["cifar100", USUAL[device]]
        row = {"case": f"cifar100 + {selection}", "way": USUAL[device], "selection": selection, **sizes(config)}
        row |= columns(turns, config, plan=timing)
        row |= {
            "ratio": f"{1 + timing.seconds / timing.steps / per_step(turns):.3g}",
            **floor(config, turns, peaks),
        }
        pairs = f"{config.n_pairs} pairs, {config.keep} of {config.candidates} batches"
        few = f"planned for {pairs if selection == 'osgd' else pairs.partition(',')[0]}"
        rows.append(row | {"scaled": "; ".join(filter(None, [cases["cifar100"].scaled, few * (device == "cpu")]))})
    return rows


def per_step(turns: Sequence[Timing]) -> float:
    """Median seconds."""
    return median(turn.seconds / turn.steps for turn in turns)


def sizes(config: VisionConfig) -> Row:
    """What the step is made of."""
    names = ("batch_size", "image_size", "stem", "precision", "optimizer", "views")
    return {name: getattr(config, name) for name in names}


def columns(turns: Sequence[Timing], config: VisionConfig, plan: Timing | None = None) -> Row:
    """Times, and what they make of 100 epochs."""
    step, updates = per_step(turns), 50_000 // config.batch_size
    planning = plan.seconds / plan.steps * updates if plan else 0.0
    cpu = median(turn.cpu_seconds / turn.steps for turn in turns)
    return {
        "steps": sum(turn.steps for turn in turns),
        "ms": f"{1e3 * step:.4g}",
        "cpu_ms": f"{1e3 * cpu:.4g}",
        "views_per_second": round(2 * config.batch_size / step),
        "plan_seconds": f"{planning:.4g}" if plan else "",
        "minutes": f"{100 * (updates * step + planning) / 60:.4g}",
    }


def floor(config: VisionConfig, turns: Sequence[Timing], peaks: Peaks) -> Row:
    """The columns about the machine's limits."""
    model = build_encoder(replace(config, precision="float32", compile=False))
    work = work_of_step(
        model,
        views=2 * config.batch_size,
        image_size=config.image_size,
        precision=config.precision,
        optimizer=config.optimizer,
    )
    least, bound = work.floor(peaks, config.precision)
    row = {"floor_ms": f"{1e3 * least:.4g}", "bound": bound, "over_floor": f"{per_step(turns) / least:.3g}"}
    row["peak_tflops"] = f"{peaks.operations[config.precision] / 1e12:.4g}"
    return row | {"gb_per_second": f"{peaks.bandwidth / 1e9:.4g}"}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*CONFIGS, "selections"]
    parser.add_argument("--cases", nargs="+", choices=names, default=names, metavar="CASE", help=", ".join(names))
    parser.add_argument("--seconds", type=float, default=20.0, help="of measured steps, for each row")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="of each peer's DataLoader")
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch, on a CPU")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--data", type=Path, default=Path("data"), help="where CIFAR-100 is, if it is")
    parser.add_argument("--out", type=Path, help="benchmarks/results/vision_DEVICE.csv if left out")
    options = parser.parse_args(arguments)
    if options.seconds <= 0:
        parser.error(f"--seconds must be positive, got {options.seconds}; 20 is the default")
    options.out = options.out or RESULTS / f"vision_{options.device}.csv"
    return options


def measure(options: argparse.Namespace) -> list[Row]:
    """All rows."""
    device = torch.device(options.device)
    selections = "selections" in options.cases
    wanted = [name for name in CONFIGS if name in options.cases or (selections and name == "cifar100")]
    images, told = training_images(options.data, device)
    print(f"{len(images):,} images: {told}", flush=True)
    peaks = measure_peaks(device)
    rows: list[Row] = []
    for name in wanted:  # what is measured is kept, if time runs out for the rest
        cases = {name: case(name, device.type)}
        who = trainers(cases, images, workers=options.workers)
        timings = rounds(who, seconds=options.seconds, shortest=LINE[device.type])
        planning = plans(images, device.type) if selections and name == "cifar100" else {}
        rows += table(cases, timings, planning, peaks, device.type)
        write_rows(options.out, rows)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table and keep it."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    if options.device == "cpu" and os.getloadavg()[0] > 0.5:
        print(f"others are at work here (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores): times mislead")
    if options.device == "cuda":
        torch.backends.cudnn.benchmark = True  # as in training, and in the peers' own code
    torch._dynamo.config.automatic_dynamic_shapes = False  # sizes of one case do not change another's code
    for row in measure(options):
        told = f"{row['ms']:>8} ms {row['views_per_second']:>8,} views/s {row['minutes']:>7} min/100 epochs"
        print(f"{row['case']:22} {row['way']:20} {told} ratio {row['ratio']:>6}  {row['over_floor']:>5} floors")


if __name__ == "__main__":
    main()
