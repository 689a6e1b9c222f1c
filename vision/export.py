"""The network of a run for other programs: `python -m vision.export RUN OUT.pt` or `OUT.safetensors`.

    python -m vision.export RUN resnet18.pt                  # the backbone, with torchvision's names
    python -m vision.export RUN encoder.safetensors --whole  # backbone and head, with this project's names

    network = torchvision.models.resnet18()
    network.load_state_dict(torch.load("resnet18.pt"), strict=False)   # only fc.* is missing

What a reader must know beside the weights (which network, the size of images, how they are normalised) is printed,
and written into the metadata of a .safetensors file, and beside a .pt file, here into resnet18.pt.json. An encoder
with the CIFAR stem has a first layer of 3 x 3 and no max-pooling; the lines of Python that give a plain network the
same are among it.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import torch
import tyro
from torch import Tensor

from batching.cli import cli
from training import run_command
from training.run import write_json
from vision.config import VisionConfig
from vision.data import known_dataset
from vision.evaluate.load import load_encoder

_PREFIX = "backbone."
_SUFFIXES = (".pt", ".safetensors")
_CIFAR_STEM = (
    "network.conv1 = torch.nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)",
    "network.maxpool = torch.nn.Identity()",
)
"""What torchvision's network must be given before it can load the weights."""


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
    """Write the file, and say what is in it, there and on the terminal.

    Raises:
        ValueError: If the run has no weights, or the file cannot be written; nothing has been written then.
    """
    _check_target(asked)
    config, encoder = load_encoder(asked.run, asked.weights)
    # Contiguous in the usual order, as other programs expect; here filters lie with their channels last.
    weights = {name: value.contiguous() for name, value in encoder.state_dict().items()}
    if not asked.whole:
        weights = backbone_weights(weights)
    told = {**contents(config, whole=asked.whole), "run": str(asked.run)}
    write_weights(asked.out, weights, told)
    lines = [f"{name}: {value}" for name, value in _in_words(told).items()]
    sys.stdout.write("\n  ".join([str(asked.out), *lines]) + "\n")
    return asked.out


def backbone_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The backbone's, with torchvision's names."""
    return {name.removeprefix(_PREFIX): value for name, value in weights.items() if name.startswith(_PREFIX)}


def contents(config: VisionConfig, *, whole: bool) -> dict[str, Any]:
    """What a reader of the file must know to use it, ready for JSON."""
    dataset = known_dataset(config.dataset)
    if whole:
        names = ("stem", "hidden_dim", "dim", "head_layers", "head_norm", "precision")
        network = {"network": "vision.model.Encoder", **{name: getattr(config, name) for name in names}}
    else:
        before = {"before loading": list(_CIFAR_STEM)} if config.stem == "cifar" else {}
        network = {"network": "torchvision.models.resnet18 without fc", "stem": config.stem, **before}
    return {
        **network,
        "image size": config.image_size,
        "mean": list(dataset.mean),
        "std": list(dataset.std),
        "normalisation": "(image - mean) / std for each of red, green and blue, where 1 is white",
        "trained on": config.dataset,
        "loss": config.loss,
        "selection": config.selection,
    }


def write_weights(path: Path, weights: Mapping[str, Tensor], told: Mapping[str, Any]) -> None:
    """Write the weights and what is told of them so that a reader sees all of a file or nothing.

    Raises:
        ValueError: If it is to be a .safetensors file and the library is absent.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    if path.suffix == ".safetensors":
        _safetensors().save_file(dict(weights), temporary, metadata={"format": "pt", **_in_words(told)})
    else:
        torch.save(dict(weights), temporary)
        write_json(_words_beside(path), told)
    temporary.replace(path)


def _in_words(told: Mapping[str, Any]) -> dict[str, str]:
    """Lists as JSON."""
    return {name: json.dumps(value) if isinstance(value, list) else str(value) for name, value in told.items()}


def _words_beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


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
    written = [asked.out, *([_words_beside(asked.out)] if asked.out.suffix == ".pt" else [])]
    for path in () if asked.overwrite else written:
        if path.exists():
            raise ValueError(f"OUT must be a new file, but {path} exists; choose another, or pass --overwrite")


def parse(argv: Sequence[str]) -> ExportConfig:
    """The configuration that a command line asks for."""
    return cli(ExportConfig, argv, prog="python -m vision.export", description=__doc__)


if __name__ == "__main__":
    run_command(main, parse)
