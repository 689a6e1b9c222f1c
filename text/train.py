"""Train a small text encoder on chosen batches: `python -m text.train PRESET [options]`.

    python -m text.train docstrings                         # embedded data, a minute on a CPU
    python -m text.train docstrings --selection spectral    # the same, with chosen batches
    python -m text.train docstrings --selection osgd --out runs/text/osgd-0

The run folder holds config.json, metrics.jsonl, result.json and model/, which transformers opens. A run that was
interrupted goes on when the same command is given again with the same --out.
"""

import shutil
import sys
from collections.abc import Sequence
from typing import Any

import torch

from batching import Report, derived_seed, permutation
from text.config import DESCRIPTIONS, PRESETS, TextConfig
from text.docstrings import read_docstrings
from text.model import build_encoder, save_model
from text.pairs import TextPairs
from text.retrieve import comparison, retrieval_metrics, tfidf_embeddings
from text.tokens import build_tokenizer, build_vocabulary
from training import (
    Progress,
    Ranks,
    Run,
    default_folder,
    fit,
    parse_preset,
    resolve_device,
    run_command,
    warmup_cosine,
)


def main(config: TextConfig) -> dict[str, Any]:
    """Train and evaluate, alone or as one of torchrun's processes.

    Returns:
        What result.json holds, and the folder.

    Raises:
        ValueError: If the data, the device or the folder is not fit for use; nothing has been done then.
    """
    with Ranks.from_environment(resolve_device(config.device)) as ranks:
        return _train(config, ranks)


def _train(config: TextConfig, ranks: Ranks) -> dict[str, Any]:
    device = ranks.device
    corpus = read_docstrings(config.data)
    chosen = permutation(0, "pairs", 0, len(corpus.train))[: config.count_pairs(len(corpus.train))]
    train = [corpus.train[i] for i in sorted(chosen.tolist())]
    vocabulary = build_vocabulary((text for pair in train for text in pair), config.vocabulary_size)
    tokenizer = build_tokenizer(vocabulary, config.max_tokens)
    run = Run.open(
        config.out or default_folder("text", "docstrings", config.selection),
        experiment="text",
        config=config.record() | {"manifest": corpus.manifest.sha256},
        device=str(device),
        overwrite=config.overwrite,
        tensorboard=config.tensorboard,
        ranks=ranks,
    )
    ranks.first(lambda: shutil.rmtree(run.path / "model", ignore_errors=True))  # an overwritten run's

    encoder = build_encoder(
        vocabulary_size=len(vocabulary),
        max_tokens=config.max_tokens,
        layers=config.layers,
        hidden=config.hidden,
        heads=config.heads,
        dropout=config.dropout,
        seed=derived_seed(config.seed, "weights"),
    ).to(device)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    task, validation, test = (
        TextPairs(
            encoder,
            tokenizer,
            pairs,
            seed=config.seed,
            encode_batch_size=config.encode_batch_size,
            temperature=config.temperature,
        )
        for pairs in (train, corpus.validation, corpus.test)
    )
    systems = {
        "tfidf": retrieval_metrics(*tfidf_embeddings(*zip(*corpus.test, strict=True))),
        "untrained": retrieval_metrics(*test.embed(None)),
    }
    with Progress(f"docstrings {config.selection}", config.updates, shown=ranks.is_first) as progress:
        last = fit(
            task,
            selection=config.rule(group=ranks.group),
            loss=config.loss_function(len(train), device, group=ranks.group),
            optimizer=optimizer,
            learning_rate=warmup_cosine(
                config.learning_rate, config.updates, warmup=round(config.warmup * config.updates)
            ),
            batch_size=config.batch_size,
            updates=config.updates,
            seed=config.seed,
            log_every=config.log_every,
            run=run,
            checkpoint_every=config.checkpoint_every,
            report=Report(config.temperature),
            observe=lambda _: {"validation_mrr_at_10": retrieval_metrics(*validation.embed(None))["mrr_at_10"]},
            progress=progress,
            ranks=ranks,
        )

    trained = retrieval_metrics(*test.embed(None))
    ranks.first(lambda: save_model(run.path / "model", encoder, tokenizer))
    result = {
        "selection": config.selection,
        "updates": last.update,
        "pairs_seen": last.pairs_seen,
        "loss": None if last.loss is None else last.loss.item(),
        **trained,
        **systems,
        "n_train": len(train),
        "n_test": len(corpus.test),
        "manifest": corpus.manifest.as_dict(),
    }
    run.finish(result)
    result |= {"seconds": round(run.seconds(), 1), "out": str(run.path)}
    if ranks.is_first:
        sys.stdout.write(comparison(systems | {f"trained, {config.selection}": trained}))
    return result


def parse(argv: Sequence[str]) -> TextConfig:
    """The configuration that a command line asks for."""
    return parse_preset(argv, experiment="text", presets=PRESETS, descriptions=DESCRIPTIONS, description=__doc__)


if __name__ == "__main__":
    run_command(main, parse)
