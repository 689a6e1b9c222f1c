"""The network of a run for other programs: `python -m vision.export RUN OUT.pt` or `OUT.safetensors`.

    python -m vision.export RUN resnet18.pt                  # the backbone, with torchvision's names
    python -m vision.export RUN encoder.safetensors --whole  # backbone and head, with this project's names

    network = torchvision.models.resnet18()
    network.load_state_dict(torch.load("resnet18.pt"), strict=False)   # only fc.* is missing

An encoder with the CIFAR stem has a first layer of 3 x 3 and no max-pooling, which that network must first get:
`network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False); network.maxpool = nn.Identity()`.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated

import torch
import tyro
from torch import Tensor

from training import run_command
from vision.config import VisionConfig
from vision.evaluate.load import load_encoder

_PREFIX = "backbone."
_SUFFIXES = (".pt", ".safetensors")


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Write the weights of a run's encoder into one file for other programs."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """The file: .pt for torch.load, .safetensors for that format."""
    whole: bool = False
    """Backbone and head, with this project's names, and not the backbone alone with torchvision's."""
    weights: Path | None = None
    """Other weights than RUN/model.pt: those kept on the way, RUN/weights/update-*.pt."""
    overwrite: bool = False
    """Replace a file that exists."""


def main(asked: ExportConfig) -> Path:
    """Write the file, and say what is in it.

    Raises:
        ValueError: If the run has no weights, or the file cannot be written; nothing has been written then.
    """
    _check_target(asked)
    config, encoder = load_encoder(asked.run, asked.weights)
    # Contiguous in the usual order, as other programs expect; here filters lie with their channels last.
    weights = {name: value.contiguous() for name, value in encoder.state_dict().items()}
    if not asked.whole:
        weights = backbone_weights(weights)
    told = contents(config, whole=asked.whole)
    write_weights(asked.out, weights, {**told, "run": str(asked.run)})
    sys.stdout.write(f"{asked.out}: {', '.join(f'{name} {value}' for name, value in told.items())}\n")
    return asked.out


def backbone_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The backbone's, with torchvision's names."""
    return {name.removeprefix(_PREFIX): value for name, value in weights.items() if name.startswith(_PREFIX)}


def contents(config: VisionConfig, *, whole: bool) -> dict[str, str]:
    """What a reader of the file must know to use it, in words."""
    stem = {
        "cifar": "cifar (conv1 is 3x3 with stride 1, and there is no max-pooling)",
        "imagenet": "imagenet (torchvision's)",
    }[config.stem]
    return {
        "network": "ResNet-18 and head" if whole else "torchvision's resnet18 without fc",
        "stem": stem,
        "image size": str(config.image_size),
        "trained on": config.dataset,
        "loss": config.loss,
        "selection": config.selection,
    }


def write_weights(path: Path, weights: Mapping[str, Tensor], told: Mapping[str, str]) -> None:
    """Write the file so that a reader sees all of it or nothing; a .safetensors file holds the words, too.

    Raises:
        ValueError: If it is to be a .safetensors file and the library is absent.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    if path.suffix == ".safetensors":
        _safetensors().save_file(dict(weights), temporary, metadata={"format": "pt", **told})
    else:
        torch.save(dict(weights), temporary)
    temporary.replace(path)


def _safetensors() -> ModuleType:
    try:
        import safetensors.torch
    except ImportError as error:
        raise ValueError(
            "a .safetensors file needs the package safetensors, which is not installed; `pip install safetensors`, "
            "or name a .pt file"
        ) from error
    return safetensors.torch


def _check_target(asked: ExportConfig) -> None:
    if asked.out.suffix not in _SUFFIXES:
        raise ValueError(f"OUT must end in {' or '.join(_SUFFIXES)}, got {asked.out}; give it one of these endings")
    if asked.out.suffix == ".safetensors":
        _safetensors()
    if not asked.out.parent.is_dir():
        raise ValueError(f"OUT must be in a folder that exists, but {asked.out.parent} does not; make it first")
    if asked.out.exists() and not asked.overwrite:
        raise ValueError(f"OUT must be a new file, but {asked.out} exists; choose another, or pass --overwrite")


def parse(argv: Sequence[str]) -> ExportConfig:
    """The configuration that a command line asks for."""
    return tyro.cli(
        ExportConfig,
        args=list(argv),
        prog="python -m vision.export",
        description=__doc__,
        config=(tyro.conf.FlagCreatePairsOff,),
    )


if __name__ == "__main__":
    run_command(main, parse)
