"""Devices by name, and the threads of a processor."""

import os

import torch
from threadpoolctl import threadpool_limits


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


def use_threads(number: int) -> None:
    """Let torch, and the linear algebra of numpy and scipy, have so many threads, here and in processes to come.

    OpenBLAS has as many as there are cores unless it is told, and threads that wait for each other spin: where
    problems are small, and processes as many as cores, that costs four times the work.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = str(number)  # what is loaded later reads it
    threadpool_limits(number, user_api="blas")
    torch.set_num_threads(number)
