"""What encoders of texts are worth, side by side: `python -m text.evaluate WHAT [--on SET ...]`.

    python -m text.evaluate runs/text/docstrings-shuffled-20260101-120000-000000
    python -m text.evaluate RUN --on msmarco-sample:dev600 data/beir-scifact sts-b --baselines tfidf bm25
    python -m text.evaluate all-MiniLM-L6-v2 --on sick sts-b:dev --against RUN ANOTHER-MODEL

WHAT is the folder of a run, or of any encoder that transformers or sentence-transformers wrote. Prints a table for
each set. Numbers of a run are merged into RUN/evaluation.json, each set as soon as it is measured; what is there
already is shown and not measured again, unless --overwrite is given, or the weights or the texts have changed.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from batching.cli import cli
from text.assembly import evaluation_set
from text.data import TextSet
from text.evaluate import BASELINES, Baseline, QuickMeasure, first_order
from text.evaluate.models import Model, load_model
from text.evaluate.protocols import check_measures
from text.evaluate.sets import Named, cache_folder, chosen, find_set, named
from text.model import Precision
from training import aligned, resolve_device, run_command
from training.run import write_json

Numbers = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Measure what encoders of texts are worth; results of a run go to RUN/evaluation.json."""

    what: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="WHAT")]
    """Folder of a run, or of an encoder."""
    on: tuple[str, ...] = ()
    """Sets, with a part behind a colon (test if left out): docstrings, msmarco, msmarco:dl19, msmarco:top1000,
    msmarco-sample:dev600, sts-b, sick:dev; a BEIR folder (data/beir-scifact); a file of pairs, or a .txt file of
    sentences. The run's own test set if left out."""
    measures: tuple[QuickMeasure, ...] | None = None
    """full: retrieval among all passages; relevant: among those that answer some query; rerank: of candidates. None
    for relevant, and rerank where the set has candidates. Scored pairs (sts-b, sick) have measures of their own."""
    baselines: tuple[Baseline, ...] = ()
    """tfidf, bm25: on the same texts, without training."""
    against: tuple[Path, ...] = ()
    """Further runs and encoders."""
    data: Path | None = None
    """Folder of the data sets; the run's own for its own test set, else data/."""
    n_queries: int | None = None
    """A fixed random choice of so many queries; None for all."""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda, cuda:1, ..."""
    batch_size: int = 256
    """Texts at a time."""
    max_tokens: int | None = None
    """Of a query and of a passage that are read; None for what a run has read, and 256 for other encoders."""
    precision: Precision | None = None
    """What the transformer computes in; None for what a run has computed in, and float32 for other encoders."""
    threshold: float | None = None
    """What a grade must exceed for a passage to be relevant; None for what the set says: 1 for msmarco:dl19 and
    msmarco:dl20, 0 for others. nDCG takes all grades."""
    out: Path | None = None
    """Write all that is printed to this file, as JSON."""
    overwrite: bool = False
    """Measure anew what is in evaluation.json already; replace the file of --out."""


def main(asked: EvaluationConfig) -> dict[str, dict[str, Numbers]]:
    """Measure, write, and show.

    Returns:
        The numbers of each set and each system.

    Raises:
        ValueError: If an encoder, a set or a setting is not fit for use; nothing has been measured then.
    """
    if asked.out is not None and asked.out.exists() and not asked.overwrite:
        raise ValueError(f"{asked.out} exists already; choose another --out, or give --overwrite")
    if asked.batch_size < 1 or (asked.n_queries is not None and asked.n_queries < 1):
        raise ValueError(
            f"--batch-size and --n-queries must be positive, got {asked.batch_size}, {asked.n_queries}"
        )
    device = resolve_device(asked.device)
    models = [
        load_model(what, device=device, max_tokens=asked.max_tokens, precision=asked.precision)
        for what in (asked.what, *asked.against)
    ]
    sets = _sets(asked, models[0])
    for one in sets:
        if isinstance(one.texts, TextSet):
            check_measures(one.texts, _measures(asked, one))
    found: dict[str, dict[str, Numbers]] = {}
    for one in sets:
        systems = {name: _of_model(asked, model, one) for name, model in _names(models).items()}
        if isinstance(one.texts, TextSet):
            systems |= _without_training(asked, one.texts, _measures(asked, one))
        found[one.name] = systems
        sys.stdout.write(f"{one.described}\n{table(systems)}\n")
    if asked.out is not None:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        write_json(asked.out, {"sets": {one.name: {"sha256": one.sha256, **found[one.name]} for one in sets}})
    return found


def table(systems: Mapping[str, Numbers]) -> str:
    """Systems side by side; a dash where one has no such number."""
    rows = dict.fromkeys(name for numbers in systems.values() for name in numbers)
    cells = [
        [name.replace("_", " "), *(f"{one[name]:.4f}" if name in one else "-" for one in systems.values())]
        for name in rows
    ]
    return aligned(["", *systems], cells)


def _names(models: Sequence[Model]) -> dict[str, Model]:
    """Folder names, numbered where two are equal."""
    found: dict[str, Model] = {}
    for model in models:
        name, n = model.name, 2
        while name in found:
            name, n = f"{model.name} ({n})", n + 1
        found[name] = model
    return found


def _sets(asked: EvaluationConfig, first: Model) -> list[Named]:
    if asked.on:
        return [find_set(name, asked.data, asked.n_queries) for name in dict.fromkeys(asked.on)]
    if first.config is None:
        raise ValueError(
            f"--on must name a set, as {asked.what} is not a run, which would have its own; for instance --on sts-b"
        )
    config = first.config if asked.data is None else replace(first.config, data=asked.data)
    texts = chosen(evaluation_set(config), asked.n_queries)
    return [named(f"{config.dataset}:test", texts, cache_folder(config.dataset, config.data))]


def _measures(asked: EvaluationConfig, one: Named) -> tuple[str, ...]:
    """Of retrieval, or of scored pairs."""
    if not isinstance(one.texts, TextSet):
        return ("sts",)
    if asked.measures is not None:
        return tuple(dict.fromkeys(asked.measures))
    return ("relevant",) if one.texts.candidates is None else ("relevant", "rerank")


def _of_model(asked: EvaluationConfig, model: Model, one: Named) -> Numbers:
    """What is known, and what is not."""
    measures = _measures(asked, one)
    setting, usual = _setting(asked, model, one)
    data = {"texts": one.sha256}
    known: dict[str, Any] = {}
    if model.known is not None and not asked.overwrite:
        known = {name: model.known.find(name, setting, data) for name in measures}
    missing = tuple(name for name in measures if known.get(name) is None)
    numbers: Numbers = {}
    if missing:
        numbers = model.measure(one, missing, batch_size=asked.batch_size, threshold=asked.threshold)
    found: Numbers = {}
    for name in measures:
        if name not in missing:
            found |= {f"{name}_{key}": value for key, value in known[name]["values"].items()}
            continue
        of_measure = {key: value for key, value in numbers.items() if key.startswith(f"{name}_")}
        if model.known is not None:
            values = {key.removeprefix(f"{name}_"): value for key, value in of_measure.items()}
            settings = {**setting, "set": one.described, "skipped": dict(one.texts.skipped)}
            model.known.add(name, setting, values=values, settings=settings, usual=usual, data=data)
        found |= of_measure
    return found


def _setting(asked: EvaluationConfig, model: Model, one: Named) -> tuple[dict[str, Any], dict[str, Any]]:
    """What tells a measurement from others of its kind, and what it is unless something else is asked for."""
    query_tokens, max_tokens = model.lengths
    setting = {
        "on": one.name,
        "n_queries": one.n,
        "query_tokens": query_tokens,
        "max_tokens": max_tokens,
        "threshold": one.threshold if asked.threshold is None else asked.threshold,
        "precision": model.precision,
    }
    if model.config is None:
        return setting, setting
    own = {
        "on": f"{model.config.dataset}:test",
        "n_queries": one.n if asked.n_queries is None else None,
        "query_tokens": model.config.query_tokens or model.config.max_tokens,
        "max_tokens": model.config.max_tokens,
        "threshold": one.threshold,
        "precision": model.config.precision,
    }
    return setting, own


def _without_training(asked: EvaluationConfig, texts: TextSet, measures: Sequence[str]) -> dict[str, Numbers]:
    found = {name: BASELINES[name](texts, measures, threshold=asked.threshold) for name in asked.baselines}
    if "rerank" in measures and texts.ranked:
        found["first order"] = first_order(texts, threshold=asked.threshold)
    return found


def parse(argv: Sequence[str]) -> EvaluationConfig:
    """The configuration that a command line asks for."""
    return cli(EvaluationConfig, argv, prog="python -m text.evaluate", description=__doc__)


if __name__ == "__main__":
    run_command(main, parse)
