"""InfoNCE of one large batch, forward and backward: time and memory, with and without the B x B matrix.

    python -m benchmarks.scale                    # CPU: B = 16,384, d = 256, float32
    python -m benchmarks.scale --device cuda      # GPU: B = 262,144, d = 256, bfloat16

Rows, each measured in a process of its own:

    cross_entropy   functional.cross_entropy(u @ v.T / tau, labels): the matrix is held, as most code does
    info_nce        losses.info_nce as it is called by default
    chunked         losses.info_nce(chunk_size=1024)

MiB is the peak of the process (on a GPU: of the allocator) above what it was with the inputs in place, ms the
median of the repeats. On a GPU `share` is the useful work (three products of B^2 d, forward and backward) over the
time, as a part of what a large product of half-precision matrices reaches on the same device in the same run.
"""

import argparse
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from benchmarks.record import RESULTS, write_rows
from losses import info_nce

TAU = 0.07
Row = dict[str, Any]


def held(u: Tensor, v: Tensor) -> Tensor:
    """The matrix in one piece."""
    return cross_entropy((u @ v.T).float() / TAU, torch.arange(len(u), device=u.device))


WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": held,
    "info_nce": lambda u, v: info_nce(u, v, temperature=TAU),
    "chunked": lambda u, v: info_nce(u, v, temperature=TAU, chunk_size=1024),
}


def measure(name: str, size: int, dim: int, repeats: int, device: str, threads: int) -> Row:
    """One way, in this process."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    u, v = (normalize(torch.randn(size, dim, device=device), dim=-1) for _ in range(2))
    if device == "cuda":
        u, v = u.bfloat16(), v.bfloat16()
    u, v = u.requires_grad_(), v.requires_grad_()
    small = [x[:64].detach().requires_grad_() for x in (u, v)]
    WAYS[name](*small).backward()  # what is loaded at the first call is not the loss's
    before = peak_mib(device, reset=True)
    times, value = [], torch.zeros(())
    for _ in range(repeats):
        u.grad = v.grad = None
        begin = perf_counter()
        value = WAYS[name](u, v)
        value.backward()
        synchronise(device)
        times.append(perf_counter() - begin)
    row: Row = {"way": name, "size": size, "dim": dim, "dtype": str(u.dtype).removeprefix("torch.")}
    row |= {"loss": round(value.item(), 6), "ms": round(median(times) * 1e3, 1)}
    row |= {"mib": round(peak_mib(device) - before, 1)}
    useful = 3 * 2 * size**2 * dim / median(times)
    row["tflops"] = round(useful / 1e12, 3)
    row["share"] = round(useful / product_rate(device), 3) if device == "cuda" else ""
    return row


def peak_mib(device: str, *, reset: bool = False) -> float:
    """The most memory so far; since now, with `reset`."""
    if device == "cuda":
        if reset:
            torch.cuda.reset_peak_memory_stats()
        return torch.cuda.max_memory_allocated() / 2**20
    if reset:
        Path("/proc/self/clear_refs").write_text("5")  # the peak forgets what was before
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def synchronise(device: str) -> None:
    """Wait until the device is done."""
    if device == "cuda":
        torch.cuda.synchronize()


def product_rate(device: str) -> float:
    """Operations a second of a product of two square half-precision matrices."""
    a, b = torch.randn(2, 8192, 8192, device=device, dtype=torch.bfloat16)
    times = []
    for _ in range(10):
        begin = perf_counter()
        torch.mm(a, b)
        synchronise(device)
        times.append(perf_counter() - begin)
    return 2 * 8192**3 / median(times)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, help="pairs; 16384 on a CPU, 262144 on a GPU")
    parser.add_argument("--dim", type=int, default=256, help="of an embedding")
    parser.add_argument("--repeats", type=int, default=3, help="of each way; medians are kept")
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch, on a CPU")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--out", type=Path, help="benchmarks/results/scale_DEVICE.csv if left out")
    options = parser.parse_args()
    on_gpu = options.device == "cuda"
    size = options.size or (262_144 if on_gpu else 16_384)
    names = [name for name in WAYS if not (on_gpu and name == "cross_entropy" and size > 65_536)]
    arguments = (size, options.dim, options.repeats, options.device, options.threads)
    rows = []
    for name in names:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(measure, (name, *arguments)))
        first = rows[0]
        row = rows[-1]
        print(
            f"{name:14} B = {size:,}  loss {row['loss']:.6f}  {row['ms']:10,.1f} ms ({row['ms'] / first['ms']:.2f})"
            f"  {row['mib']:9,.1f} MiB ({row['mib'] / first['mib']:.3f})  {row['tflops']} TFLOP/s  {row['share']}",
            flush=True,
        )
    write_rows(options.out or RESULTS / f"scale_{options.device}.csv", rows)


if __name__ == "__main__":
    main()
