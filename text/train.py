"""Train a text encoder on chosen batches: `python -m text.train PRESET [options]`.

    python -m text.train docstrings                         # embedded data, a minute on a CPU
    python -m text.train docstrings --selection spectral    # the same, with chosen batches
    python -m text.train msmarco-sample --model DIR --selection graph --max-similarity 0.95
    python -m text.train pairs --data questions.tsv --loss mnrl
    torchrun --nproc-per-node 4 -m text.train msmarco --batch-size 1024

The run folder holds config.json, metrics.jsonl, result.json and model/, which sentence-transformers and
transformers open. A run that was interrupted, by SIGTERM for instance, goes on when the same command is given again
with the same --out.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from text.assembly import assemble, build_tokenizers, evaluation_set, training_set, without_the_rest
from text.config import TextConfig, refuse_shape
from text.data.store import digest
from text.evaluate import BASELINES, evaluate
from text.evaluate.protocols import check_measures, pool_size
from text.model import save_model
from text.model_folder import find_transformer
from text.presets import DESCRIPTIONS, DETAILS, PRESETS
from training import (
    Moment,
    Progress,
    Ranks,
    Run,
    aligned,
    default_folder,
    fit,
    parse_preset,
    resolve_device,
    run_command,
)


def main(config: TextConfig) -> dict[str, Any]:
    """Train and evaluate, alone or as one of torchrun's processes.

    Returns:
        What result.json holds, and the folder.

    Raises:
        ValueError: If the data, the device, the folder or the settings are not fit for use; nothing has been
            written then.
    """
    if config.model is not None:
        find_transformer(config.model)  # before the data are read, which may take long
    with Ranks.from_environment(resolve_device(config.device)) as ranks:
        return _train(config, ranks)


def _train(config: TextConfig, ranks: Ranks) -> dict[str, Any]:
    if ranks.size > 1:  # the first reads and tokenises what the others then find in the cache
        ranks.first(lambda: _store(config))
    train, test = training_set(config), evaluation_set(config)
    check_measures(test, config.measures)
    measured = without_the_rest(test, config.measures)
    digests = {"texts_sha256": digest(train), "test_sha256": digest(test)}
    parts = assemble(config, train, ranks)
    measure = partial(
        evaluate,
        parts.encoder,
        measured,
        *parts.tokenizers.read(measured),
        config.measures,
        batch_size=config.embed_batch_size,
    )
    run = Run.open(
        config.out or default_folder("text", config.dataset, config.selection),
        experiment="text",
        config=config.record() | digests,
        device=str(ranks.device),
        overwrite=config.overwrite,
        tensorboard=config.tensorboard,
        ranks=ranks,
    )
    others = ranks.first(lambda: {name: BASELINES[name](test, config.measures) for name in config.baselines})
    untrained = ranks.first(measure)

    def observe(moment: Moment) -> dict[str, float]:
        if moment.update == 0:
            return untrained
        return {} if moment.update >= parts.updates else ranks.first(measure)

    epoch = config.epoch_updates(len(train.queries))
    with Progress(f"{config.dataset} {config.selection}", parts.updates, shown=ranks.is_first) as progress:
        last = fit(
            parts.pairs,
            selection=parts.rule,
            loss=parts.loss,
            optimizer=parts.optimizer,
            learning_rate=parts.learning_rate,
            batch_size=config.batch_size,
            updates=parts.updates,
            seed=config.seed,
            log_every=config.log_every,
            run=run,
            checkpoint_every=config.checkpoint_every,
            observe=observe if config.evaluate_every else None,
            observe_every=config.evaluate_every * epoch,
            report=parts.report,
            progress=progress,
            ranks=ranks,
        )
    # Before anything else that may go wrong.
    ranks.first(
        lambda: save_model(run.path / "model", parts.encoder, parts.tokenizers.passage, source=config.model)
    )
    trained = ranks.first(measure)
    result: dict[str, Any] = {
        "selection": config.selection,
        "updates": last.update,
        "updates_per_epoch": epoch,
        "pairs_seen": last.pairs_seen,
        "loss": None if last.loss is None else last.loss.item(),
        **trained,
        **{f"untrained_{name}": value for name, value in untrained.items()},
        **{f"{system}_{name}": value for system, found in others.items() for name, value in found.items()},
        "n_train": len(train.queries),
        "n_test": len(test.queries),
        "texts": train.name,
        **{f"{name}_passages": pool_size(test, name) for name in config.measures},
        **digests,
        "skipped": {"train": dict(train.skipped), "test": dict(test.skipped)},
    }
    run.finish(result)
    result |= {"seconds": round(run.seconds(), 1), "out": str(run.path)}
    if ranks.is_first:
        sys.stdout.write(summary(result, {**others, "untrained": untrained, "trained": trained}))
    return result


def _store(config: TextConfig) -> None:
    train, test = training_set(config), without_the_rest(evaluation_set(config), config.measures)
    tokenizers = build_tokenizers(config, train)
    for texts in (train, test):
        tokenizers.read(texts)


def summary(result: Mapping[str, Any], systems: Mapping[str, Mapping[str, float]]) -> str:
    """The systems side by side."""
    loss = "" if result["loss"] is None else f", loss {result['loss']:.4f}"
    head = f"{result['selection']}, {result['updates']} updates, {result['seconds']} s{loss}: {result['out']}\n"
    rows = [
        [name.replace("_", " "), *(f"{found[name]:.4f}" for found in systems.values())]
        for name in systems["trained"]
    ]
    return head + aligned(["", *systems], rows)


def parse(argv: Sequence[str]) -> TextConfig:
    """The configuration that a command line asks for.

    Raises:
        ValueError: If it gives a model and a shape.
    """
    config = parse_preset(
        argv,
        experiment="text",
        presets=PRESETS,
        descriptions=DESCRIPTIONS,
        details=DETAILS,
        description=__doc__,
    )
    refuse_shape(argv, config)
    return config


if __name__ == "__main__":
    run_command(main, parse)
