"""The encoder of a run, from its folder."""

import json
import pickle
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from vision.assembly import build_encoder
from vision.config import VisionConfig
from vision.model import Encoder

WEIGHTS = "model.pt"
"""What a finished run leaves."""


def load_encoder(run: Path, weights: Path | None = None) -> tuple[VisionConfig, Encoder]:
    """The configuration of a run and its encoder, on the CPU, in evaluation mode.

    Args:
        run: Folder of the run, finished or not.
        weights: Others of its weights, such as RUN/weights/update-001000.pt, by a path or a name in that folder;
            model.pt if left out.

    Raises:
        ValueError: If the folder holds no run on images, or the weights are absent, damaged or of another network.
    """
    config = read_config(run)
    path = weights_path(run, weights)
    encoder = fresh_encoder(config)
    try:
        encoder.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, pickle.UnpicklingError, EOFError, AttributeError, TypeError, KeyError) as error:
        told = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"{path} must hold the weights of the encoder that {run / 'config.json'} describes, but does not "
            f"({told}); take one of the run's own files"
        ) from error
    return config, encoder.eval()


def fresh_encoder(config: VisionConfig) -> Encoder:
    """The encoder as the run began with it, not compiled."""
    return build_encoder(replace(config, compile=False))


def read_config(run: Path) -> VisionConfig:
    """The configuration of a run.

    Raises:
        ValueError: If the folder holds no run on images.
    """
    path = run / "config.json"
    if not path.is_file():
        raise ValueError(
            f"RUN must be the folder of a run, with a config.json, but {run} has none; `python -m vision.train` "
            "makes one and prints its name"
        )
    try:
        stamp: dict[str, Any] = json.loads(path.read_text())
        kind, record = stamp["experiment"], stamp["config"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} must be as a run writes it, but cannot be read ({error}); train again") from error
    if kind != "vision":
        raise ValueError(f"RUN must be a run on images, but {run} is one of {kind!r}; choose another folder")
    return VisionConfig.from_record(record)


def weights_path(run: Path, weights: Path | None = None) -> Path:
    """The file of the weights.

    Raises:
        ValueError: If it is not there.
    """
    tried = [run / WEIGHTS] if weights is None else [weights, run / "weights" / weights, run / weights]
    for path in tried:
        if path.is_file():
            return path
    kept = sorted(str(path) for path in (run / "weights").glob("*.pt"))
    if weights is None:
        remedy = f"or take weights kept on the way: --weights {kept[-1]}" if kept else "it has kept no others"
        raise ValueError(
            f"{run} must be a finished run, with {WEIGHTS}, but it has none: it has not ended yet; finish it by "
            f"its own command, {remedy}"
        )
    raise ValueError(
        f"--weights must be a file, but {weights} is none; the run has {', '.join(kept) or 'kept none on the way'}"
    )


def digest(path: Path) -> str:
    """The sha256 of a file, which tells whether weights are still those that were measured."""
    return sha256(path.read_bytes()).hexdigest()
