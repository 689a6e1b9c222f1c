"""Two random views of images of 32 pixels: this project's, for a batch at once, against torchvision's, one by one.

    python -m benchmarks.augmentation                  # minutes of one CPU core
    python -m benchmarks.augmentation --device cuda    # ours on the GPU, torchvision's on one core beside it

The same changes with the same strengths: crop, flip, ColorJitter(0.4, 0.4, 0.2, 0.1) with probability 0.8, grey
with 0.2, normalisation. From bytes (Pillow images for torchvision's first version) to a batch of float32. Rows:

    two_views         ours, of a batch that has been gathered
    views_of_steps    ours, 4 batches at once, gathered here
    torchvision v1    Pillow images
    torchvision v2    tensors of bytes

Every round measures each of them once, in turn, one thread, in CPU seconds (on a GPU by the clock, until the device
is done, 64 batches at once); medians of the rounds are kept, and
`ratio` is the median over the rounds of the views per second by those of the fastest of torchvision.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8
from PIL import Image
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import v2

from benchmarks.record import RESULTS, write_rows
from vision.augmentation import Augmentation, two_views, views_of_steps

SIDE = 32
MEAN, STD = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
Way = Callable[[Int[Tensor, " batch"], int], object]


def of_torchvision(version: Any, *last: Any) -> Any:
    """The pipeline, put together from v1 or v2."""
    return version.Compose(
        [
            version.RandomResizedCrop(SIDE),
            version.RandomHorizontalFlip(),
            version.RandomApply([version.ColorJitter(0.4, 0.4, 0.2, 0.1)], p=0.8),
            version.RandomGrayscale(p=0.2),
            *last,
            version.Normalize(MEAN, STD),
        ]
    )


def ways(pixels: UInt8[Tensor, "n 3 side side"], device: torch.device) -> dict[str, tuple[int, Way]]:
    """Name -> (batches at once, what makes two views of each image of a batch)."""
    steps = 64 if device.type == "cuda" else 4
    resident = pixels.to(device)
    pictures = [Image.fromarray(np.ascontiguousarray(x.permute(1, 2, 0).numpy())) for x in pixels]
    settings: dict[str, Any] = {"augmentation": Augmentation(), "size": SIDE, "seed": 0, "purpose": "benchmark"}
    settings |= {"mean": torch.tensor(MEAN, device=device), "std": torch.tensor(STD, device=device)}
    by_v1 = of_torchvision(v1, v1.ToTensor())
    by_v2 = of_torchvision(v2, v2.ToDtype(torch.float32, scale=True))

    def of_steps(index: Int[Tensor, " batch"], k: int) -> object:
        return views_of_steps(resident, index.view(steps, -1), counters=torch.arange(k, k + steps), **settings)

    def of_batch(index: Int[Tensor, " batch"], k: int) -> object:
        index = index.to(device)
        return two_views(resident[index], index, counter=k, **settings)

    def each(transform: Any, images: Any) -> Way:
        return lambda index, _: [torch.stack([transform(images[n]) for n in index.tolist()]) for _ in range(2)]

    return {
        "two_views": (1, of_batch),
        "views_of_steps": (steps, of_steps),
        "torchvision v1": (1, each(by_v1, pictures)),
        "torchvision v2": (1, each(by_v2, pixels)),
    }


def _now(device: torch.device) -> float:
    """CPU seconds, or seconds by the clock when the GPU is done."""
    if device.type == "cpu":
        return process_time()
    torch.cuda.synchronize(device)
    return perf_counter()


def measure(batch: int, rounds: int, device: torch.device) -> list[dict[str, Any]]:
    """Rounds in turn at one size of batch."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (4096, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)
    table = ways(pixels, device)
    seconds: dict[str, list[float]] = {name: [] for name in table}
    for k in range(-1, rounds):  # the first is not kept
        for name, (batches, way) in table.items():
            index = torch.randint(0, len(pixels), (batches * batch,), generator=generator)
            begin = _now(device)
            way(index, max(0, k * 64))
            if k >= 0:
                seconds[name].append((_now(device) - begin) / (2 * len(index)))
    theirs = [min(pair) for pair in zip(seconds["torchvision v1"], seconds["torchvision v2"], strict=True)]
    return [
        {
            "way": name,
            "batch": batch,
            "rounds": rounds,
            "views_per_second": round(1 / median(times)),
            "microseconds_per_view": round(median(times) * 1e6, 2),
            "ratio": round(median(b / a for a, b in zip(times, theirs, strict=True)), 2),
        }
        for name, times in seconds.items()
    ]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 512], help="images in a batch")
    parser.add_argument("--rounds", type=int, default=15, help="of which the medians are kept")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="of ours")
    parser.add_argument("--out", type=Path, help="benchmarks/results/augmentation_DEVICE.csv if left out")
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.set_num_threads(1)
    torch.manual_seed(0)  # torchvision's
    rows = []
    for batch in options.batches:
        for row in measure(batch, options.rounds, device):
            rows.append(row)
            print(
                f"batch {batch:4}  {row['way']:15} {row['views_per_second']:8,} views/s  "
                f"{row['microseconds_per_view']:7.2f} us  {row['ratio']:6.2f} x torchvision's faster",
                flush=True,
            )
    write_rows(options.out or RESULTS / f"augmentation_{options.device}.csv", rows)


if __name__ == "__main__":
    main()
