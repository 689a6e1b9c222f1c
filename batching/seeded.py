"""Random numbers as a pure function of (seed, purpose, epoch, position).

A generator's state depends on what was drawn before, on the device, and on how many seeds run side by side. A
counter-based one does not: replicate 5 of 64 gets what it would get alone, a CPU what a GPU would, and a resumed
run what it would have had. The function is SplitMix64's output mix, chained over the four counters.

References:
    Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number generators", Section 3 (the mix).
    Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3" (counter-based generation).
"""

import zlib

import torch
from jaxtyping import Float, Int
from torch import Tensor

Seed = int | Int[Tensor, " replicates"]
"""One seed, or one for each replicate; results then have a leading replicate dimension."""
Epoch = int | Int[Tensor, " replicates"]
"""One epoch, or one for each replicate, on the device of the seeds where they are a tensor."""

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB


def words(
    seed: Seed, purpose: str, epoch: Epoch, n: int, *, device: torch.device | None = None
) -> Int[Tensor, "*replicates n"]:
    """Random 64-bit words, n for each seed, as signed integers.

    Args:
        seed: One integer, or a tensor of one per replicate.
        purpose: What they are for; different purposes are independent.
        epoch: A counter; different epochs are independent. A tensor holds one for each replicate: many steps at
            once get the numbers that each would get alone.
        n: How many.
        device: Where they shall lie; that of the seeds and epochs where they are tensors.
    """
    key = _keys(purpose, epoch) if isinstance(epoch, Tensor) else _key(purpose, epoch)
    if isinstance(seed, Tensor):
        device = seed.device
        start = _mix(seed ^ (key if isinstance(key, Tensor) else _signed(key)))[:, None]
    elif isinstance(key, Tensor):
        device = key.device
        start = _mix(key ^ _signed(seed))[:, None]
    else:
        # Written where it shall lie: sent from the host, a GPU would have to be waited for.
        start = torch.full((), _signed(_mix_int((seed & _MASK) ^ key)), device=device)
    return _mix(start + torch.arange(1, n + 1, device=device) * _signed(_GOLDEN))


def uniforms(
    seed: Seed, purpose: str, epoch: Epoch, n: int, *, device: torch.device | None = None
) -> Float[Tensor, "*replicates n"]:
    """Uniform float64 numbers on [0, 1), n for each seed, all 53 bits random."""
    return _shift(words(seed, purpose, epoch, n, device=device), 11).double() * 2.0**-53


def normals(
    seed: Seed, purpose: str, epoch: Epoch, n: int, *, device: torch.device | None = None
) -> Float[Tensor, "*replicates n"]:
    """Standard normal float64 numbers, n for each seed, by Box and Muller's transform of 2n uniform ones."""
    u = uniforms(seed, purpose, epoch, 2 * n, device=device)
    radius = (-2 * torch.log1p(-u[..., :n])).sqrt()
    return radius * torch.cos(2 * torch.pi * u[..., n:])


def permutation(
    seed: Seed, purpose: str, epoch: Epoch, n: int, *, device: torch.device | None = None
) -> Int[Tensor, "*replicates n"]:
    """A uniformly random order of 0..n-1 for each seed.

    Sorting random words gives every order the same probability, up to that of a tie (n^2 / 2^65).
    """
    return words(seed, purpose, epoch, n, device=device).argsort(dim=-1, stable=True).to(device)


def derived_seed(seed: int, purpose: str, epoch: int = 0) -> int:
    """A seed of 63 bits for another generator (`torch.manual_seed`, numpy, ...); microseconds, no tensor."""
    return _mix_int(_key(purpose, epoch) ^ _mix_int(seed & _MASK)) >> 1


def as_seeds(seed: Seed) -> Int[Tensor, " replicates"]:
    """The seed of each replicate; of one where there is one seed, of which 64 bits count."""
    return seed if isinstance(seed, Tensor) else torch.tensor([_signed(seed)])


def _key(purpose: str, epoch: int) -> int:
    return _mix_int(_mix_int(zlib.crc32(purpose.encode())) ^ epoch)


def _keys(purpose: str, epochs: Int[Tensor, " replicates"]) -> Int[Tensor, " replicates"]:
    return _mix(epochs.long() ^ _signed(_mix_int(zlib.crc32(purpose.encode()))))


def _signed(x: int) -> int:
    """The 64-bit word x as the signed integer that torch stores."""
    x &= _MASK
    return x - (1 << 64) if x >> 63 else x


def _shift(x: Tensor, bits: int) -> Tensor:
    """Logical right shift; torch's own keeps the sign."""
    return (x >> bits) & (_MASK >> bits)


def _mix(x: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    x = (x ^ _shift(x, 30)) * _signed(_FIRST)
    x = (x ^ _shift(x, 27)) * _signed(_SECOND)
    return x ^ _shift(x, 31)


def _mix_int(x: int) -> int:
    x = ((x ^ (x >> 30)) * _FIRST) & _MASK
    x = ((x ^ (x >> 27)) * _SECOND) & _MASK
    return x ^ (x >> 31)
