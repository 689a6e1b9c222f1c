"""Embed the training pairs of a preset by any model: `python -m text.embed PRESET --model DIR --out FILE.npz`.

    python -m text.embed msmarco-sample --model all-MiniLM-L6-v2 --out teacher.npz
    python -m text.train msmarco-sample --model DIR --selection communities --teacher teacher.npz

The options are those of `python -m text.train`: with the same preset, data and numbers of pairs, row i of the file
is training pair i (its first positive). `--teacher` plans by it, and `python -m batching` makes plans of it.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from text.assembly import assemble, training_set
from text.augmentation import Augmentation
from text.config import TextConfig, refuse_shape
from text.presets import DESCRIPTIONS, DETAILS, PRESETS
from training import parse_preset, resolve_device, run_command
from training.ranks import Ranks


def main(config: TextConfig) -> Path:
    """Write the embeddings. Of the options those count that say which texts, which model and how it computes.

    Returns:
        The file, with arrays u (queries) and v (passages).

    Raises:
        ValueError: If there is no name for the file, or it exists already.
    """
    out = config.out
    if config.model is None:
        raise ValueError("--model must name the folder of a trained encoder, got none: new weights teach nothing")
    if out is None or out.suffix != ".npz":
        raise ValueError(f"--out must name a file that ends in .npz, got {out}; for instance --out teacher.npz")
    if out.exists() and not config.overwrite:
        raise ValueError(f"{out} exists already; choose another --out, or give --overwrite")
    config = replace(
        config,
        positives="first",
        n_negatives=0,
        hard_negatives=None,
        augmentation=Augmentation(),
        selection="shuffled",
        loss="info_nce",
        loss_settings=(),
        apart_ids=False,
        teacher=None,
        reference=None,
    )
    pairs = assemble(config, training_set(config), Ranks(device=resolve_device(config.device))).pairs
    u, v = (x.cpu().numpy() for x in pairs.embed(None))
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.stem}-{os.getpid()}.npz")
    try:
        np.savez(part, u=u, v=v)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    sys.stdout.write(f"{len(u):,} pairs of {u.shape[1]} numbers: {out}\n")
    return out


def parse(argv: Sequence[str]) -> TextConfig:
    """The configuration that a command line asks for."""
    if argv and not any(word.split("=")[0] in ("--out", "-h", "--help") for word in argv):
        raise ValueError("--out must name the file to write, got none; for instance --out teacher.npz")
    config = parse_preset(
        argv,
        experiment="text",
        command="embed",
        presets=PRESETS,
        descriptions=DESCRIPTIONS,
        details=DETAILS,
        description=__doc__,
    )
    refuse_shape(argv, config)
    return config


if __name__ == "__main__":
    run_command(main, parse)
