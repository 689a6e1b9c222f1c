"""Random walks with restart on a graph of similar pairs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from batching.rules.walk import ProximityWalk, proximity_graph, walks
from losses import clip_sum


def clustered(n, clusters, seed=0, dim=16, noise=0.15):
    """Embeddings, and the cluster of each pair: pair i is in cluster i mod clusters."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.randn(clusters, dim, generator=generator)
    label = torch.arange(n) % clusters
    u, v = torch.nn.functional.normalize(
        centre[label] + noise * torch.randn(2, n, dim, generator=generator), dim=-1
    )
    return u, v, label


def plan(rule, u, v, batch_size, seed=0, epoch=0):
    n = u.shape[-2]
    rule.check(n, batch_size)
    return rule.plan(n, batch_size, seed=seed, epoch=epoch, embed=lambda _: (u, v))


def test_graph_holds_the_most_similar_pairs_where_all_are_candidates(unit_pairs):
    x = unit_pairs(150, 6)[0]
    found = proximity_graph(x, 5, 149, seed=0, epoch=0)
    similarity = (x @ x.T).fill_diagonal_(-torch.inf)
    assert torch.equal(found, similarity.topk(5).indices)


@given(n=st.integers(2, 200), edges=st.integers(1, 20), more=st.integers(0, 30), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_neighbours_are_distinct_others_most_similar_first(n, edges, more, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.nn.functional.normalize(torch.randn(n, 4, generator=generator), dim=-1)
    found = proximity_graph(x, edges, edges + more, seed=seed, epoch=0)
    assert found.shape == (n, min(edges, n - 1))
    assert all(len({i, *row}) == len(row) + 1 for i, row in enumerate(found.tolist()))
    similarity = (x @ x.T).gather(1, found)
    assert (similarity.diff(dim=1) <= 1e-6).all()


def test_every_pair_is_as_likely_a_candidate():
    """With as many edges as candidates the graph is random: each other pair has probability M / (n - 1)."""
    x = torch.nn.functional.normalize(torch.randn(40, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    met = torch.zeros(40, 40)
    for epoch in range(600):
        met.scatter_add_(1, proximity_graph(x, 9, 9, seed=1, epoch=epoch), torch.ones(40, 9))
    rate = met[~torch.eye(40, dtype=torch.bool)] / 600
    assert rate.mean().item() == pytest.approx(9 / 39)
    assert rate.min() > 0.14
    assert rate.max() < 0.32


def test_walks_go_along_edges_and_return_to_their_start():
    """On a directed ring everything met lies ahead of the start, without gaps."""
    ring = torch.roll(torch.arange(50), -1)[:, None]
    starts = torch.tensor([0, 20, 48])
    met, count = walks(ring, starts, 6, 0.2, seed=0, epoch=0)
    assert count.tolist() == [6, 6, 6]
    assert torch.equal(met, (starts[:, None] + torch.arange(6)) % 50)


def test_few_candidates_and_no_restarts_lead_further_away():
    u, v, label = clustered(400, 20)

    def purity(**fields):
        own = label[plan(ProximityWalk(**fields), u, v, 10).batches]
        return (own == own[:, :1]).float().mean().item()

    near = purity(edges=10, candidates=399)
    assert near > 0.95
    assert purity(edges=10, candidates=40) < 0.6 * near
    # Half the edges leave the cluster: returning to the start, a walk stays among the start's neighbours.
    assert purity(edges=38, candidates=399, restart=0.9) > 1.15 * purity(edges=38, candidates=399, restart=0.0)


def test_batches_are_harder_than_random_ones():
    u, v, _ = clustered(400, 20)
    chosen = plan(ProximityWalk(edges=15, candidates=200), u, v, 8).batches
    random = torch.randperm(400, generator=torch.Generator().manual_seed(0)).view(-1, 8)
    hardness = [clip_sum(u, v, temperature=0.1, batches=b).mean().item() for b in (chosen, random)]
    assert hardness[0] > 2 * hardness[1]


def test_walks_that_stall_are_filled_up_with_the_starts_neighbours_then_with_any():
    u, v, _ = clustered(60, 2)
    stuck = plan(ProximityWalk(edges=5, candidates=59, restart=0.9999), u, v, 6)
    assert stuck.info["filled"] > 40
    nearest = proximity_graph(torch.nn.functional.normalize(torch.cat([u, v], -1), dim=-1), 5, 59, seed=0, epoch=0)
    starts = stuck.batches[:, 0]
    assert torch.equal(stuck.batches.sort().values, torch.cat([starts[:, None], nearest[starts]], 1).sort().values)
    larger = plan(ProximityWalk(edges=5, candidates=59, restart=0.9999), u, v, 30)
    assert all(len(set(batch)) == 30 for batch in larger.batches.tolist())
    everyone = plan(ProximityWalk(edges=1, candidates=1), u, v, 60)
    assert sorted(everyone.batches[0].tolist()) == list(range(60))


@given(n=st.integers(2, 70), size=st.integers(2, 12), edges=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_batches_hold_distinct_pairs(n, size, edges, seed):
    size = min(n, size)
    u, v, _ = clustered(n, 3, seed)
    made = plan(ProximityWalk(edges=edges, candidates=20), u, v, size, seed=seed)
    assert made.batches.shape == (n // size, size)
    assert all(len(set(batch)) == size for batch in made.batches.tolist())
    assert len(set(made.batches[:, 0].tolist())) == n // size, "starts are drawn without replacement"
    assert (made.kind, made.remainder.shape) == ("subset", (0,))


def test_equal_rows_make_no_difference_to_validity():
    u = torch.ones(30, 2) / 2**0.5
    made = plan(ProximityWalk(edges=4, candidates=10), u, u, 7)
    assert all(len(set(batch)) == 7 for batch in made.batches.tolist())


def test_replicates_epochs_and_seeds():
    u, v, _ = clustered(40, 4)
    rule = ProximityWalk(edges=5, candidates=20)
    together = plan(rule, torch.stack([u, v]), torch.stack([v, u]), 4, seed=torch.tensor([5, 6])).batches
    assert torch.equal(together[0], plan(rule, u, v, 4, seed=5).batches)
    assert torch.equal(together[1], plan(rule, v, u, 4, seed=6).batches)
    assert not torch.equal(together[0], plan(rule, u, v, 4, seed=5, epoch=1).batches)


@pytest.mark.parametrize(
    "fields", [{"edges": 0}, {"edges": 9, "candidates": 8}, {"restart": 1.0}, {"restart": -0.1}]
)
def test_settings_that_are_refused(fields):
    with pytest.raises(ValueError, match=r"edges must|restart is"):
        ProximityWalk(**fields)
