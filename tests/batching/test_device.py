"""Devices by name, and the threads that libraries may have."""

import subprocess
import sys

import pytest

from batching.device import resolve_device

THREADS = """
from batching.device import use_threads
use_threads(1)
import scipy.linalg  # brings an OpenBLAS of its own, loaded after numpy's was told
import torch
from threadpoolctl import threadpool_info
print(torch.get_num_threads(), *(library["num_threads"] for library in threadpool_info()))
"""


def test_libraries_that_are_loaded_later_have_as_few_threads():
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"1"}


def test_an_unknown_device_is_refused():
    with pytest.raises(ValueError, match="--device must be auto, cpu or cuda"):
        resolve_device("abacus")
