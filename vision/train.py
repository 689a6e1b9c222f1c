"""Train a ResNet-18 on chosen batches of images: `python -m vision.train PRESET [options]`.

    python -m vision.train digits                           # embedded data, half a minute on a CPU
    python -m vision.train digits --selection spectral      # the same, with chosen batches
    python -m vision.train cifar100 --selection osgd --out runs/vision/osgd-0
    torchrun --nproc-per-node 4 -m vision.train cifar100 --batch-size 256

The run folder holds config.json, metrics.jsonl, result.json and model.pt (the encoder's state_dict). A run that was
interrupted, by SIGTERM for instance, goes on when the same command is given again with the same --out.
"""

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

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
from training.run import save_atomically
from vision.assembly import assemble, kernels
from vision.config import VisionConfig
from vision.data import load_images
from vision.evaluate import evaluate
from vision.presets import DESCRIPTIONS, DETAILS, PRESETS


def main(config: VisionConfig) -> dict[str, Any]:
    """Train and evaluate, alone or as one of torchrun's processes.

    Returns:
        What result.json holds, and the folder.

    Raises:
        ValueError: If the data, the device, the folder or the settings are not fit for use; nothing has been
            written then.
    """
    with Ranks.from_environment(resolve_device(config.device)) as ranks, kernels(config, ranks.device):
        return _train(config, ranks)


def _train(config: VisionConfig, ranks: Ranks) -> dict[str, Any]:
    train = load_images(config.dataset, config.data, "train", config.stored_side).subset(config.n_pairs)
    test = load_images(config.dataset, config.data, "test", config.stored_side).subset(config.n_test)
    test = test.to(ranks.device)
    parts = assemble(config, train.to(ranks.device) if config.resident else train, ranks)
    run = Run.open(
        config.out or default_folder("vision", config.dataset, config.selection),
        experiment="vision",
        config=config.record(),
        device=str(ranks.device),
        overwrite=config.overwrite,
        tensorboard=config.tensorboard,
        ranks=ranks,
    )
    measure = partial(evaluate, parts.encoder, train, test, config)
    # A probe of fresh weights is dear and tells little; `python -m vision.evaluate` makes one when it is wanted.
    untrained = ranks.first(lambda: measure([name for name in config.measures if name != "probe"]))
    at_end = partial(ranks.first, lambda: measure(config.measures))

    def observe(moment: Moment) -> dict[str, float]:
        if moment.update == 0:
            return untrained
        return {} if moment.update >= parts.updates else at_end()

    epoch = config.epoch_updates(len(train))
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
            keep_every=config.keep_every * epoch,
            observe=observe if config.evaluate_every else None,
            observe_every=config.evaluate_every * epoch,
            report=parts.report,
            progress=progress,
            ranks=ranks,
            make_steps=parts.make_steps,
        )
    if ranks.is_first:  # before anything else that may go wrong
        save_atomically(run.path / "model.pt", parts.encoder.state_dict())
    result: dict[str, Any] = {
        "selection": config.selection,
        "updates": last.update,
        "updates_per_epoch": epoch,
        "pairs_seen": last.pairs_seen,
        "loss": None if last.loss is None else last.loss.item(),
        **at_end(),
        **{f"untrained_{name}": value for name, value in untrained.items()},
        "n_train": len(train),
        "n_test": len(test),
        "images": train.source,
        "images_sha256": train.digest,
    }
    run.finish(result)
    result |= {"seconds": round(run.seconds(), 1), "out": str(run.path)}
    if ranks.is_first:
        sys.stdout.write(summary(result))
    return result


def summary(result: dict[str, Any]) -> str:
    """The result as a small table."""
    loss = "-" if result["loss"] is None else f"{result['loss']:.4f}"
    rows = [["loss", loss, "-"]]
    for name, value in result.items():
        if f"untrained_{name}" in result or name.startswith("probe"):
            before = result.get(f"untrained_{name}")
            rows.append([name.replace("_", " "), _shown(value), "-" if before is None else _shown(before)])
    head = f"{result['selection']}, {result['updates']} updates, {result['seconds']} s: {result['out']}\n"
    return head + aligned(["", "trained", "untrained"], rows)


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def parse(argv: Sequence[str]) -> VisionConfig:
    """The configuration that a command line asks for."""
    return parse_preset(
        argv,
        experiment="vision",
        presets=PRESETS,
        descriptions=DESCRIPTIONS,
        details=DETAILS,
        description=__doc__,
    )


if __name__ == "__main__":
    run_command(main, parse)
