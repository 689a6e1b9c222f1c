"""Training on texts, ours and sentence-transformers' trainer: time of a whole step, side by side on this machine.

    python -m benchmarks.text                             # CPU: under 9 minutes of two cores
    python -m benchmarks.text --device cuda               # 6 minutes
    python -m benchmarks.text --model all-MiniLM-L6-v2    # its weights, and MS MARCO's own texts if they are there

A step is everything from a list of pairs to the changed weights: tokens, batch, forward, loss (`mnrl`, temperature
0.05), backward, AdamW. All train a MiniLM-L6 with its dropout from the same weights on the same batches, one after
the other in this process, each turn on other batches; what comes before the clock (a plan, workers' full queues)
does not count. bfloat16 is autocast there and bfloat16 activations here, weights and optimiser are float32 in both.
Rows by `way`:

    ours             `training.fit` with what `python -m text.train` gives it
    texts            their trainer on columns of texts, as most use it
    texts, workers   the same, with a DataLoader of several processes (on a GPU)
    tokens           their trainer on columns of tokens, with a collator that pads
    ours + SELECTION ours on chosen batches: what planning adds

ms           median over the turns of the time of a step; `cpu_ms` the processor time of all processes in it
ratio        ms over that of ours in the same case; for a selection the time of an epoch over that of shuffled
minutes      for 10 epochs of MS MARCO's 502,939 training queries, planning included
plan_seconds     embedding all pairs and choosing, for an epoch of those; `embed_share` is the time of embedding
             alone, as a part of the time of an epoch's steps
padding      tokens that go through the encoder over those that the texts have
floor_ms     the least that the step can take here, `bound` by arithmetic or memory (`benchmarks.floor`), and
over_floor   ms in multiples of it
"""

import argparse
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.floor import Peaks, measure_peaks
from benchmarks.record import RESULTS, write_rows
from benchmarks.text_cases import N_PAIRS, SELECTIONS, Material, cases, material, selecting, work_of_step
from benchmarks.text_ours import Ours
from benchmarks.text_peers import SentenceTransformers
from benchmarks.vision_clock import Timing, Trainer
from text.config import TextConfig
from text.tokens import Tokens

ROUNDS = 3
MSMARCO_PAIRS, EPOCHS = 502_939, 10
WARM_UP = {"cuda": 50, "cpu": 1}
"""Steps before the clock starts; at least as many are on it."""
OURS = "ours"
Row = dict[str, Any]


def missing() -> list[str]:
    """What the other trainer needs and is not installed."""
    return [name for name in ("sentence_transformers", "datasets", "accelerate") if find_spec(name) is None]


def trainers(config: TextConfig, what: Material, device: torch.device, *, workers: int) -> dict[str, Trainer]:
    """Everyone who takes part in a case, by way; ours first."""
    warm_up = WARM_UP[device.type]
    found: dict[str, Trainer] = {OURS: Ours(config, what, device, line=warm_up)}
    if missing():
        return found
    for way, ready, processes in (("tokens", True, 0), ("texts", False, 0), ("texts, workers", False, workers)):
        if processes or way != "texts, workers":
            found[way] = SentenceTransformers(
                config, what, device, ready=ready, workers=processes, warm_up=warm_up + 2 * processes
            )
    return found


def rounds(who: dict[str, Trainer], *, seconds: float, shortest: int) -> dict[str, list[Timing]]:
    """Everyone's turns, `seconds` in all for each, in rounds of alternating order."""
    found: dict[str, list[Timing]] = {way: [] for way in who}
    for turn in range(ROUNDS):
        for way in list(who)[:: -1 if turn % 2 else 1]:
            steps = shortest
            if turn:  # the first tells how many steps fill the others
                pace = per_step(found[way])
                steps = max(shortest, round((seconds - shortest * pace) / (ROUNDS - 1) / pace))
            found[way].append(who[way].take(steps))
    return found


def table(
    name: str, config: TextConfig, timings: dict[str, list[Timing]], tokens: Tokens, peaks: Peaks, told: str
) -> list[Row]:
    """A row for everyone in a case."""
    rows = []
    texts = 2 * config.batch_size
    least, bound = work_of_step(tokens, texts).floor(peaks, config.precision)
    for way, turns in timings.items():
        step = per_step(turns)
        rows.append(
            {
                "case": name,
                "way": way,
                "selection": "shuffled",
                "precision": config.precision,
                "batch_size": config.batch_size,
                "threads": torch.get_num_threads(),
                "steps": sum(turn.steps for turn in turns),
                "ms": f"{1e3 * step:.4g}",
                "cpu_ms": f"{1e3 * median(turn.cpu_seconds / turn.steps for turn in turns):.4g}",
                "pairs_per_second": f"{config.batch_size / step:.4g}",
                "ratio": f"{step / per_step(timings[OURS]):.3g}",
                "minutes": f"{MSMARCO_PAIRS // config.batch_size * EPOCHS * step / 60:.4g}",
                "plan_seconds": "",
                "embed_share": "",
                "padding": "1" if way == OURS else f"{padding(tokens, config.batch_size):.3g}",
                "floor_ms": f"{1e3 * least:.4g}",
                "bound": bound,
                "over_floor": f"{step / least:.3g}",
                "peak_tflops": f"{peaks.operations[config.precision] / 1e12:.4g}",
                "data": told,
            }
        )
    return rows


def selections(row: Row, config: TextConfig, what: Material, device: torch.device) -> list[Row]:
    """What each selection adds to a row of ours."""
    rows = []
    step = float(row["ms"]) / 1e3
    updates = MSMARCO_PAIRS // config.batch_size
    embedded = 0.0
    for selection in SELECTIONS:
        planning = Ours(selecting(config, selection, what, device.type), what, device, line=1)
        if not embedded:
            embedding = planning.embed()
            embedded = embedding.seconds / embedding.steps * MSMARCO_PAIRS
        plan = planning.plan()
        planned = plan.seconds / plan.steps * updates
        rows.append(
            row
            | {
                "way": f"{OURS} + {selection}",
                "selection": selection,
                "ratio": f"{1 + planned / (updates * step):.3g}",
                "minutes": f"{EPOCHS * (updates * step + planned) / 60:.4g}",
                "plan_seconds": f"{planned:.4g}",
                "embed_share": f"{embedded / (updates * step):.3g}",
                "data": f"{row['data']}; planned for {plan.steps * config.batch_size} pairs",
            }
        )
    return rows


def per_step(turns: Sequence[Timing]) -> float:
    """Median seconds."""
    return median(turn.seconds / turn.steps for turn in turns)


def padding(tokens: Tokens, batch_size: int) -> float:
    """Entries of columns that are padded to their longest text, over their tokens, in random batches of pairs.

    Args:
        tokens: Of all queries, then of all passages.
        batch_size: Texts in a column.
    """
    sides = tokens.lengths.double().unflatten(0, (2, -1))
    order = torch.randperm(sides.shape[1], generator=torch.Generator().manual_seed(0))
    columns = sides[:, order[: len(order) // batch_size * batch_size]].unflatten(1, (-1, batch_size))
    return float((columns.amax(-1) * batch_size).sum() / columns.sum())


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--model", type=Path, help="folder of a MiniLM-L6; random weights if left out")
    parser.add_argument("--seconds", type=float, help="of measured steps for each row; 12, on a GPU 30")
    parser.add_argument("--cases", nargs="+", metavar="CASE", help="some of: float32, 32; bfloat16, 96; ...")
    parser.add_argument("--workers", type=int, help="of a DataLoader of theirs; none, on a GPU 8")
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch, on a CPU")
    parser.add_argument("--data", type=Path, default=Path("data"), help="where msmarco-passage-sample is, if it is")
    parser.add_argument("--out", type=Path, help="benchmarks/results/text_DEVICE.csv if left out")
    options = parser.parse_args(arguments)
    on_gpu = options.device == "cuda"
    options.seconds = (30.0 if on_gpu else 12.0) if options.seconds is None else options.seconds
    options.workers = (8 if on_gpu else 0) if options.workers is None else options.workers
    options.out = options.out or RESULTS / f"text_{options.device}.csv"
    known = cases(options.device)
    options.cases = options.cases or list(known)
    if options.seconds <= 0:
        parser.error(f"--seconds must be positive, got {options.seconds}; 12 is usual")
    if unknown := set(options.cases) - known.keys():
        parser.error(f"--cases must be among {', '.join(map(repr, known))}, got {', '.join(sorted(unknown))}")
    return options


def measure(options: argparse.Namespace) -> list[Row]:
    """All rows; written as soon as a case is done."""
    device = torch.device(options.device)
    peaks = measure_peaks(device)
    rows: list[Row] = []
    with TemporaryDirectory() as scratch:
        what = material(options.model, options.data, Path(scratch), N_PAIRS[options.device])
        tokens = what.tokens()
        print(f"{len(what.texts.queries):,} pairs, {what.told}", flush=True)
        for name in options.cases:
            config = cases(options.device)[name]
            who = trainers(config, what, device, workers=options.workers)
            timings = rounds(who, seconds=options.seconds, shortest=WARM_UP[options.device])
            found = table(name, config, timings, tokens, peaks, what.told)
            show(found)
            write_rows(options.out, [*rows, *found])  # what is measured is kept, if time runs out for the rest
            if name == options.cases[-1]:
                planned = selections(found[0], config, what, device)
                show(planned)
                found += planned
            rows += found
            write_rows(options.out, rows)
    return rows


def show(rows: list[Row]) -> None:
    """Print them."""
    for row in rows:
        told = f"{row['ms']:>7} ms {row['pairs_per_second']:>7} pairs/s {row['minutes']:>7} min/10 epochs"
        print(
            f"{row['case']:14} {row['way']:16} {told} ratio {row['ratio']:>5} {row['over_floor']:>5} floors",
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table and keep it."""
    options = parse(arguments)
    if absent := missing():
        print(f"ours alone is measured: no {', '.join(absent)} here (pip install 'contrabatch[adapters]')")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(options.threads)
    if options.device == "cpu" and os.getloadavg()[0] > 0.5:
        print(f"others are at work here (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores): times mislead")
    measure(options)


if __name__ == "__main__":
    main()
