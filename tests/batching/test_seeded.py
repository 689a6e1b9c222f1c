"""Random numbers that are a function of their counters."""

import numpy as np
import pytest
import torch
from scipy import stats

from batching import derived_seed, normals, permutation, uniforms
from batching.seeded import words


def splitmix(state: int) -> int:
    mask = 2**64 - 1
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
    return state ^ (state >> 31)


def test_the_mix_is_splitmix64():
    from batching.seeded import _mix

    inputs = [0, 1, 2**63 - 1, 0xDEADBEEF]
    found = _mix(torch.tensor(inputs)).tolist()
    assert [x % 2**64 for x in found] == [splitmix(x) for x in inputs]


def test_each_counter_matters_and_nothing_else_does():
    base = words(5, "a", 3, 4)
    assert torch.equal(base, words(5, "a", 3, 4))
    assert torch.equal(base, words(5, "a", 3, 9)[:4]), "what is drawn after does not matter"
    for other in (words(6, "a", 3, 4), words(5, "b", 3, 4), words(5, "a", 4, 4)):
        assert not (base == other).any()


def test_replicates_are_what_they_would_be_alone():
    together = words(torch.tensor([4, 9]), "a", 0, 6)
    assert torch.equal(together[1], words(torch.tensor([9]), "a", 0, 6)[0])


@pytest.mark.parametrize("draw", [words, uniforms, normals, permutation])
def test_epochs_of_their_own_give_what_each_would_give_alone(draw):
    """Of one seed for all, or of one seed for each."""
    epochs, seeds = torch.tensor([0, 7, 2**62, 3]), torch.tensor([4, 4, 9, -1])
    together, of_one_seed = draw(seeds, "a", epochs, 6), draw(5, "a", epochs, 6)
    for n, (seed, epoch) in enumerate(zip(seeds, epochs.tolist(), strict=True)):
        assert torch.equal(together[n], draw(seed[None], "a", epoch, 6)[0])
        assert torch.equal(of_one_seed[n], draw(5, "a", epoch, 6))


def test_the_numbers_are_the_same_in_every_version():
    """Runs that were recorded once can be repeated."""
    assert words(5, "a", 3, 2).tolist() == words(torch.tensor([5]), "a", torch.tensor([3]), 2)[0].tolist()
    assert words(5, "a", 3, 2).tolist() == [2822838689785891343, 3703941777578788856]


@pytest.mark.parametrize("seed", [0, torch.arange(50)], ids=["one seed", "replicates"])
def test_uniform_and_normal(seed):
    u = uniforms(seed, "test", 0, 4000 if isinstance(seed, int) else 80).flatten().numpy()
    assert u.min() >= 0
    assert u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    x = normals(seed, "test", 0, 4000 if isinstance(seed, int) else 80).flatten().numpy()
    assert stats.kstest(x, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.06


def test_every_order_is_equally_likely():
    counts: dict[tuple[int, ...], int] = {}
    for order in permutation(torch.arange(6000), "test", 0, 4).tolist():
        counts[tuple(order)] = counts.get(tuple(order), 0) + 1
    assert len(counts) == 24
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_derived_seeds_fit_a_generator_and_differ():
    seeds = {derived_seed(s, purpose, epoch) for s in range(5) for purpose in ("x", "y") for epoch in range(5)}
    assert len(seeds) == 50
    assert all(0 <= seed < 2**63 for seed in seeds)
    torch.Generator().manual_seed(max(seeds))
