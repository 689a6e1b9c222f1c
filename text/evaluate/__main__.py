"""What encoders of texts are worth, side by side: `python -m text.evaluate WHAT [--on SET ...]`.

    python -m text.evaluate runs/text/docstrings-shuffled-20260101-120000-000000
    python -m text.evaluate RUN --on msmarco-sample:dev600 data/beir-scifact sts-b --baselines tfidf bm25
    python -m text.evaluate RUN --untrained --n-queries 1000
    python -m text.evaluate all-MiniLM-L6-v2 --on sick sts-b:dev --against RUN ANOTHER-MODEL

WHAT is the folder of a run, or of any encoder that transformers or sentence-transformers wrote. Prints a table for
each set. Numbers of a run are merged into RUN/evaluation.json, each set as soon as it is measured; what is there
already is shown and not measured again, unless --overwrite is given, or the weights or the texts have changed. What
WHAT is compared with stands there, too: untrained_..., tfidf_..., bm25_..., and first_..., the candidates in the
order in which they come.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from batching.cli import cli
from text.data import OnProblem, TextSet
from text.evaluate import BASELINES, Baseline, QuickMeasure, first_order
from text.evaluate.models import Model, load_model, load_untrained
from text.evaluate.protocols import check_measures
from text.evaluate.recorded import Numbers, Setting, recorded
from text.evaluate.sets import EvaluationSet, find_set, own_set, short_name
from text.model import Precision
from training import aligned, resolve_device, run_command
from training.run import write_json

FIRST, UNTRAINED = "first", "untrained"


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Measure what encoders of texts are worth; results of a run go to RUN/evaluation.json."""

    what: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="WHAT")]
    """Folder of a run, or of an encoder."""
    on: tuple[str, ...] = ()
    """Sets, with a part behind a colon (test if left out): docstrings, msmarco, msmarco:dl19, msmarco:top1000,
    msmarco-sample:dev600, sts-b, sick:dev; a BEIR folder (data/beir-scifact); a file of pairs, or a .txt or .txt.gz
    file of sentences; a folder with train.* and test.*. The run's own test set if left out."""
    measures: tuple[QuickMeasure, ...] | None = None
    """full: retrieval among all passages; relevant: among those that answer some query; rerank: of candidates. None
    for relevant, and rerank where the set has candidates. Scored pairs (sts-b, sick) have measures of their own."""
    baselines: tuple[Baseline, ...] = ()
    """tfidf, bm25: on the same texts, without training."""
    untrained: bool = False
    """Measure the weights, too, that the training of WHAT began with."""
    against: tuple[Path, ...] = ()
    """Further runs and encoders."""
    data: Path | None = None
    """Folder of the data sets; the run's own for its own test set, else data/."""
    n_queries: int | None = None
    """A fixed random choice of so many queries, or scored pairs; None for all."""
    on_problem: OnProblem | None = None
    """Lines that cannot be read, empty texts, unknown ids: refuse the file, or skip and count them. None for what
    the run did with its own test set, and refuse for other sets."""
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
    folders = (asked.what, *asked.against)
    models = _names(
        [
            load_model(what, device=device, max_tokens=asked.max_tokens, precision=asked.precision)
            for what in folders
        ]
    )
    first, *_ = models.values()
    untrained = {UNTRAINED: load_untrained(first, asked.what)} if asked.untrained else {}
    sets = _sets(asked, first)
    for one in sets:
        if isinstance(one.texts, TextSet):
            check_measures(one.texts, _measures(asked, one))
    found: dict[str, dict[str, Numbers]] = {}
    for one in sets:
        systems = {name: _of_model(asked, model, one) for name, model in (models | untrained).items()}
        if isinstance(one.texts, TextSet):
            systems |= _without_training(asked, first, one, one.texts)
        found[one.name] = systems
        sys.stdout.write(f"{one.described(_measures(asked, one))}\n{table(systems)}\n")
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
    taken = {FIRST, UNTRAINED, *BASELINES}
    for model in models:
        name, n = model.name, 2
        while name in {*found, *taken}:
            name, n = f"{model.name} ({n})", n + 1
        found[name] = model
    return found


def _sets(asked: EvaluationConfig, first: Model) -> list[EvaluationSet]:
    """All that is measured on, each once.

    Raises:
        ValueError: If two sets have the same name, which their numbers would share.
    """
    if not asked.on and first.config is None:
        raise ValueError(
            f"--on must name a set, as {asked.what} is not a run, which would have its own; for instance --on sts-b"
        )
    if not asked.on and first.config is not None:
        return [own_set(first.config, asked.data, asked.n_queries, on_problem=asked.on_problem)]
    found: dict[str, EvaluationSet] = {}
    for name in dict.fromkeys(asked.on):
        one = find_set(name, asked.data, asked.n_queries, on_problem=asked.on_problem or "refuse")
        if found.setdefault(one.name, one).sha256 != one.sha256:
            raise ValueError(
                f"sets of --on must have names of their own, got two {one.name}; rename a folder or file"
            )
    return list(found.values())


def _measures(asked: EvaluationConfig, one: EvaluationSet) -> tuple[str, ...]:
    """Of retrieval, or of scored pairs."""
    if not isinstance(one.texts, TextSet):
        return ("sts",)
    if asked.measures is not None:
        return tuple(dict.fromkeys(asked.measures))
    return ("relevant",) if one.texts.candidates is None else ("relevant", "rerank")


def _of_model(asked: EvaluationConfig, model: Model, one: EvaluationSet) -> Numbers:
    """What is known, and what is not."""
    query_tokens, max_tokens = model.lengths
    read = {"query_tokens": query_tokens, "max_tokens": max_tokens, "precision": model.precision}
    usual = read
    if (config := model.config) is not None:
        usual = {
            "query_tokens": config.query_tokens or config.max_tokens,
            "max_tokens": config.max_tokens,
            "precision": config.precision,
        }
    return recorded(
        model.known,
        one,
        _measures(asked, one),
        _setting(asked, model, one).with_more(read, usual),
        partial(model.measure, one, batch_size=asked.batch_size, threshold=asked.threshold),
        system=None if model.start is None else UNTRAINED,
        data={} if model.start is None else {"weights": model.start},
        overwrite=asked.overwrite,
    )


def _setting(asked: EvaluationConfig, model: Model, one: EvaluationSet) -> Setting:
    """What tells a measurement of any system from others, and what it is unless something else is asked for."""
    own, total = one.name, one.total
    if model.config is not None:
        own = f"{short_name(model.config.dataset, model.config.data)}:test"
        if own == one.name:
            total = min(total, model.config.n_test or total)
    threshold = one.threshold if asked.threshold is None else asked.threshold
    return Setting(
        {"on": one.name, "n_queries": one.n, "threshold": threshold},
        {"on": own, "n_queries": total, "threshold": one.threshold},
    )


def _without_training(
    asked: EvaluationConfig, first: Model, one: EvaluationSet, texts: TextSet
) -> dict[str, Numbers]:
    """What an encoder must beat."""
    measures = _measures(asked, one)
    found = {
        name: recorded(
            first.known,
            one,
            measures,
            _setting(asked, first, one),
            partial(BASELINES[name], texts, threshold=asked.threshold),
            system=name,
            overwrite=asked.overwrite,
        )
        for name in asked.baselines
    }
    if "rerank" in measures and texts.ranked:
        found[FIRST] = recorded(
            first.known,
            one,
            ("rerank",),
            _setting(asked, first, one),
            lambda _: first_order(texts, threshold=asked.threshold),
            system=FIRST,
            overwrite=asked.overwrite,
        )
    return found


def parse(argv: Sequence[str]) -> EvaluationConfig:
    """The configuration that a command line asks for."""
    return cli(EvaluationConfig, argv, prog="python -m text.evaluate", description=__doc__)


if __name__ == "__main__":
    run_command(main, parse)
