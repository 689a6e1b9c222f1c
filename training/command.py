"""What every command line shares: bad input ends with one clear line and exit status 2."""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

Config = TypeVar("Config")


def run_command(
    main: Callable[[Config], object],
    parse: Callable[[Sequence[str]], Config],
    argv: Sequence[str] | None = None,
) -> None:
    """Parse the arguments, run, and turn a `ValueError` (bad input, refused before any work) into status 2."""
    try:
        main(parse(sys.argv[1:] if argv is None else argv))
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from error


def resolve_device(name: str) -> torch.device:
    """Find the device of this name; "auto" is a GPU if there is one.

    Raises:
        ValueError: If the device is unknown or absent.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"--device must be auto, cpu or cuda (or cuda:0, ...), got {name!r}") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"--device {name} needs an NVIDIA GPU that torch can use; there is none, use --device cpu")
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"--device must be auto, cpu or cuda, got {name!r}")
    return device
