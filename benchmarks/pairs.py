"""Pairs to choose batches from: a clustered mixture, digits, and images of CIFAR-100 through a small encoder.

    python -m benchmarks.pairs        # trains that encoder and keeps its embeddings: minutes of two CPU cores

The first two are made anew each time, from a seed. The embeddings of CIFAR-100's 50,000 training images lie in
runs/benchmarks, where the benchmarks look for them and make them if the images are there.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.datasets import load_digits
from torch import Tensor

ROOT = Path(__file__).parent.parent
CACHE = ROOT / "runs" / "benchmarks"
"""Not committed."""
_ENCODER = "cifar100 --stem imagenet --hidden-dim 512 --batch-size 64 --updates 600 --n-test 1000"
"""A ResNet-18 that is coarse and fast at 32 pixels, trained on batches at random."""
_IMAGES = 50_000
_SMALL = 1280
"""Pairs up to which the mixture has 60 clusters; beyond it, one for 300 pairs."""


class Pairs(NamedTuple):
    """Unit rows, float32, and the class of each pair."""

    u: Float[Tensor, "n dim"]
    v: Float[Tensor, "n dim"]
    labels: Int[Tensor, " n"]


def clustered_pairs(
    n: int, *, dim: int = 128, clusters: int = 60, within: float = 0.6, view: float = 0.35, seed: int = 0
) -> Pairs:
    """Two noisy views of each point of a mixture on the sphere; clusters of uneven size, about ten to a group.

    Args:
        n: Pairs.
        dim: Of a row.
        clusters: Their sizes are Dirichlet's.
        within: Norm of a point's noise around its centre.
        view: Norm of a view's noise around its point.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)
    groups = _unit(_noise(rng, max(2, clusters // 10), dim))
    centres = _unit(groups[rng.integers(0, len(groups), clusters)] + 0.9 * _noise(rng, clusters, dim))
    labels = rng.choice(clusters, size=n, p=rng.dirichlet(np.ones(clusters)))
    points = _unit(centres[labels] + within * _noise(rng, n, dim))
    return _two_views(rng, points, labels, view)


def digit_pairs(n: int, *, dim: int = 128, view: float = 0.35, seed: int = 0) -> Pairs:
    """Two noisy views of n of scikit-learn's 1,797 digits, centred and padded with zeros to `dim`."""
    # Annotated as a Bunch, it is the pair that was asked for.
    digits: Any = load_digits(return_X_y=True)
    images, labels = digits
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(images))[:n]
    points = _unit(images[chosen] - images.mean(0))
    return _two_views(rng, np.pad(points, ((0, 0), (0, dim - points.shape[1]))), labels[chosen], view)


def cifar_pairs(n: int, *, seed: int = 0, cache: Path = CACHE) -> Pairs:
    """Some of CIFAR-100's training images, at random, through the encoder of `prepare_cifar`."""
    with np.load(cache / "cifar100.npz") as kept:
        u, v, labels = (torch.from_numpy(kept[name]) for name in ("u", "v", "labels"))
    if n == len(u):
        return Pairs(u, v, labels)
    chosen = torch.from_numpy(np.random.default_rng(seed).permutation(len(u))[:n])
    return Pairs(u[chosen], v[chosen], labels[chosen])


def make_pairs(data: str, n: int, seed: int) -> Pairs:
    """Pairs of `DATA`."""
    return DATA[data](n, seed)


DATA: dict[str, Callable[[int, int], Pairs]] = {
    "clustered": lambda n, seed: clustered_pairs(n, clusters=60 if n <= _SMALL else n // 300, seed=seed),
    "digits": lambda n, seed: digit_pairs(n, seed=seed),
    "cifar100": lambda n, seed: cifar_pairs(n, seed=seed),
}
MOST: dict[str, int] = {"clustered": sys.maxsize, "digits": 1797, "cifar100": _IMAGES}
"""Pairs that there are."""


def prepare_cifar(data: Path, cache: Path = CACHE) -> str | None:
    """See that the embeddings of CIFAR-100 are in `cache`; a sentence if they are not, and cannot be made."""
    if (cache / "cifar100.npz").exists():
        return None
    if not (data / "cifar-100-python" / "train").exists():
        return (
            f"cifar100 is left out: neither {cache / 'cifar100.npz'} nor {data / 'cifar-100-python'} is there; "
            "`python -m vision.train cifar100` says where to get it"
        )
    # In a process of its own, which may use all cores.
    command = [sys.executable, "-m", "benchmarks.pairs", "--data", str(data.resolve()), "--cache", str(cache)]
    done = subprocess.run(command, cwd=ROOT, check=False)
    return f"cifar100 is left out: its encoder ended with status {done.returncode}" if done.returncode else None


def embed_cifar(data: Path, cache: Path) -> None:
    """Train the encoder, unless that is done already, and keep two augmented views of every training image."""
    from vision.data import load_images
    from vision.model import Encoder
    from vision.pairs import ImagePairs
    from vision.train import main, parse

    folder = cache / "cifar100-encoder"
    config = parse([*_ENCODER.split(), "--data", str(data), "--out", str(folder)])
    main(config)
    model = Encoder(stem=config.stem, hidden_dim=config.hidden_dim, dim=config.dim, seed=0)
    model.load_state_dict(torch.load(folder / "model.pt", map_location="cpu"))
    images = load_images("cifar100", data, "train")
    pairs = ImagePairs(
        model, images, augmentation=config.augmentation, size=config.image_size, views=config.views, seed=0
    )
    u, v = pairs.embed(None)
    np.savez(cache / "cifar100.npz", u=u.numpy(), v=v.numpy(), labels=images.labels.numpy())


def _unit(x: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "n dim"]:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _noise(rng: np.random.Generator, n: int, dim: int) -> Float[np.ndarray, "n dim"]:
    """Gaussian rows whose squared norm is 1 on average."""
    return rng.standard_normal((n, dim)) / np.sqrt(dim)


def _two_views(
    rng: np.random.Generator, points: Float[np.ndarray, "n dim"], labels: Int[np.ndarray, " n"], view: float
) -> Pairs:
    u, v = (_unit(points + view * _noise(rng, *points.shape)).astype(np.float32) for _ in range(2))
    return Pairs(torch.from_numpy(u), torch.from_numpy(v), torch.from_numpy(labels))


def run() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="where the data sets are")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the embeddings go")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    embed_cifar(options.data, options.cache)


if __name__ == "__main__":
    run()
