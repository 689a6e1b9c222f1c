"""Train a ResNet-18 on chosen batches of images: `python -m vision.train PRESET [options]`.

    python -m vision.train digits                           # embedded data, seconds on a CPU
    python -m vision.train digits --selection spectral      # the same, with chosen batches
    python -m vision.train cifar100 --selection osgd --out runs/vision/osgd-0

The run folder holds config.json, metrics.jsonl, result.json and model.pt (the encoder's state_dict). A run that
was interrupted goes on when the same command is given again with the same --out.
"""

import sys
from collections.abc import Sequence
from typing import Any

import torch

from batching import Report, derived_seed
from training import (
    Progress,
    Run,
    aligned,
    default_folder,
    fit,
    parse_preset,
    resolve_device,
    run_command,
    warmup_cosine,
)
from vision.config import DESCRIPTIONS, PRESETS, VisionConfig
from vision.data import Images, load_images
from vision.model import Encoder
from vision.pairs import ImagePairs
from vision.evaluate import retrieve


def main(config: VisionConfig) -> dict[str, Any]:
    """Train and evaluate.

    Returns:
        What result.json holds, and the folder.

    Raises:
        ValueError: If the data, the device or the folder is not fit for use; nothing has been done then.
    """
    device = resolve_device(config.device)
    train = load_images(config.dataset, config.data, "train").subset(config.n_pairs).to(device)
    test = load_images(config.dataset, config.data, "test").subset(config.n_test).to(device)
    rule = config.rule(train.labels.cpu() if config.apart_labels else None)
    rule.check(len(train), config.batch_size)
    run = Run.open(
        config.out or default_folder("vision", config.dataset, config.selection),
        experiment="vision",
        config=config.record(),
        device=str(device),
        overwrite=config.overwrite,
    )

    model = Encoder(
        stem=config.stem,
        hidden_dim=config.hidden_dim,
        dim=config.dim,
        precision=config.precision,
        seed=derived_seed(config.seed, "weights"),
    ).to(device)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay
    )
    held_out = _pairs(model, test, config)
    untrained = retrieve(held_out)

    updates = config.total_updates()
    with Progress(f"{config.dataset} {config.selection}", updates) as progress:
        last = fit(
            _pairs(model, train, config),
            selection=rule,
            loss=config.loss_function(len(train), device),
            optimizer=optimizer,
            learning_rate=warmup_cosine(config.learning_rate, updates, warmup=round(config.warmup * updates)),
            batch_size=config.batch_size,
            updates=updates,
            seed=config.seed,
            log_every=config.log_every,
            run=run,
            checkpoint_every=config.checkpoint_every,
            report=Report(config.temperature, train.labels),
            progress=progress,
        )

    trained = retrieve(held_out)
    torch.save(model.state_dict(), run.path / "model.pt")
    result = {
        "selection": config.selection,
        "updates": last.update,
        "pairs_seen": last.pairs_seen,
        "loss": None if last.loss is None else last.loss.item(),
        "recall_at_1": trained.recall_at_1,
        "recall_at_1_u_to_v": trained.u_to_v,
        "recall_at_1_v_to_u": trained.v_to_u,
        "recall_at_1_untrained": untrained.recall_at_1,
        "n_test": trained.n,
    }
    run.finish(result)
    result |= {"seconds": round(run.seconds(), 1), "out": str(run.path)}
    sys.stdout.write(summary(result))
    return result


def _pairs(model: Encoder, images: Images, config: VisionConfig) -> ImagePairs:
    return ImagePairs(
        model,
        images,
        augmentation=config.augmentation,
        size=config.image_size,
        views=config.views,
        seed=config.seed,
        encode_batch_size=config.encode_batch_size,
        temperature=config.temperature,
    )


def summary(result: dict[str, Any]) -> str:
    """The result as a small table."""
    loss = "-" if result["loss"] is None else f"{result['loss']:.4f}"
    recalls = [f"{result[f'recall_at_1{key}']:.4f}" for key in ("_u_to_v", "_v_to_u", "_untrained")]
    row = [result["selection"], str(result["updates"]), loss, *recalls, str(result["seconds"]), result["out"]]
    header = ["selection", "updates", "loss", "recall@1 u->v", "v->u", "untrained", "seconds", "folder"]
    return aligned(header, [row])


def parse(argv: Sequence[str]) -> VisionConfig:
    """The configuration that a command line asks for."""
    return parse_preset(argv, experiment="vision", presets=PRESETS, descriptions=DESCRIPTIONS, description=__doc__)


if __name__ == "__main__":
    run_command(main, parse)
