"""Devices by name."""

import torch


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
