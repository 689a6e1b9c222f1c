"""Losses, plans and free embeddings on a pretended GPU: the CPU's numbers, no mixed devices, few waits.

What `pretend_cuda` proves, and what not, it says itself.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pretend_cuda import OnGPU, RefusedByTheGPU, pretend_cuda

from batching import METHODS, SELECTIONS, make_selection, planned
from losses import LOSSES, PAIR_LOSSES, make_loss, value_and_gradient
from synthetic.config import SyntheticConfig
from synthetic.experiment import study
from training import Run

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which need not be pretended")
MANY = ("spectral", "balanced", "kmeans", "graph", "spread", "cluster-draws", "matching", "walk", "bandwidth")
"""Selections whose plans wait for numbers again and again: exchanges, clusters, graphs made on the host."""


@pytest.fixture(autouse=True)
def _no_triton(monkeypatch):
    monkeypatch.setattr("losses.fused._HAS_TRITON", False)
    monkeypatch.setattr("batching.algorithms.assignment._HAS_TRITON", False)


def on_cpu(x):
    return x.held if isinstance(x, OnGPU) else x


class TestThePretence:
    def test_numbers_are_those_of_the_cpu_and_gradients_too(self):
        with pretend_cuda() as traffic:
            x = torch.arange(6.0, device="cuda").reshape(2, 3).requires_grad_()
            (x.T @ x).sum().backward()
            assert (x.device.type, x.is_cuda, x.grad.device.type) == ("cuda", True, "cuda")
            assert not traffic.reads
            assert x.grad.tolist() == [[6, 6, 6], [24, 24, 24]]
            assert len(traffic.reads) == 1

    def test_two_devices_do_not_mix_but_for_single_numbers(self):
        with pretend_cuda():
            x = torch.ones(3, device="cuda")
            assert (x + torch.tensor(1.0)).tolist() == [2, 2, 2]
            with pytest.raises(RefusedByTheGPU, match="on one device"):
                x + torch.ones(3)
            with pytest.raises(RefusedByTheGPU, match="generator"):
                torch.rand(3, device="cuda", generator=torch.Generator())
            with pytest.raises(TypeError, match="numpy"):
                np.asarray(x)

    @pytest.mark.parametrize(
        "read", [torch.Tensor.item, bool, lambda x: x.reshape(1).nonzero(), lambda x: x.cpu(), lambda x: x.tolist()]
    )
    def test_reads_are_told_and_refused_while_a_graph_is_recorded(self, read):
        with pretend_cuda() as traffic:
            x = torch.ones((), device="cuda")
            read(x)
            assert len(traffic.reads) == 1
            with pytest.raises(RefusedByTheGPU, match="waits"), traffic.recorded():
                read(x)

    def test_what_is_sent_is_told_unless_it_is_pinned(self):
        with pretend_cuda() as traffic:
            torch.tensor([1, 2], device="cuda")
            torch.ones(4, device="cuda")[[0, 1]]
            assert len(traffic.sends) == 2
            torch.ones(2).pin_memory().to("cuda", non_blocking=True)
            assert len(traffic.sends) == 2

    def test_a_graph_does_its_operations_again_and_nothing_else(self):
        with pretend_cuda():
            x, graph, done = torch.ones(2, device="cuda"), torch.cuda.CUDAGraph(), []
            with torch.cuda.graph(graph):
                y = 2 * x
                done.append(y)
            x.fill_(5)
            graph.replay()
            assert (y.tolist(), len(done)) == ([10, 10], 1)

    def test_autocast_is_that_of_a_gpu(self):
        with pretend_cuda(), torch.autocast("cuda", torch.bfloat16):
            x = torch.ones(2, 2, device="cuda")
            assert ((x @ x).dtype, x.softmax(-1).dtype) == (torch.bfloat16, torch.float32)


FUNCTIONS = [name for name in PAIR_LOSSES if not LOSSES[name].is_stateful]
CASES = {
    "one batch": ((8, 6), None, torch.float64),
    "float32": ((8, 6), None, torch.float32),
    "bfloat16": ((8, 6), None, torch.bfloat16),
    "replicates": ((3, 8, 6), None, torch.float64),
    "a table": ((8, 6), (4, 2), torch.float64),
    "a table each": ((3, 8, 6), (3, 4, 2), torch.float64),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_loss_and_its_gradient_can_be_recorded(name, case, unit_pairs):
    """Under autocast, as an encoder may be; nothing in it waits for the GPU."""
    shape, table, dtype = CASES[case]

    def both(device, recorded):
        pairs = [x.to(device).requires_grad_() for x in unit_pairs(*shape, dtype=dtype)]
        batches = None if table is None else torch.arange(8).reshape(4, 2).expand(table).to(device)
        with recorded(), torch.autocast(device, torch.bfloat16, enabled=dtype == torch.bfloat16):
            value = make_loss(name)(*pairs, batches=batches)
        with recorded():
            value.sum().backward()
            found = [] if batches is None else value_and_gradient(make_loss(name), *pairs, batches=batches)
        return [on_cpu(x.detach()) for x in (value, *(x.grad for x in pairs), *found)]

    with pretend_cuda() as traffic:
        found = both("cuda", traffic.recorded)
    for x, expected in zip(found, both("cpu", torch.enable_grad), strict=True):
        torch.testing.assert_close(x, expected)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if "temperature" in LOSSES[name].settings])
def test_a_learned_temperature_stays_on_the_gpu(name, unit_pairs):
    u, v = unit_pairs(8, 6, dtype=torch.float32)
    with pretend_cuda() as traffic:
        tau = torch.full((), 0.3, device="cuda", requires_grad=True)
        u, v = u.to("cuda"), v.to("cuda")
        with traffic.recorded():
            LOSSES[name].function(u, v, temperature=tau).backward()
        assert tau.grad.is_cuda


@pytest.mark.parametrize("replicates", [None, 2])
@pytest.mark.parametrize("name", [name for name in SELECTIONS if name != "rho"])
@pytest.mark.filterwarnings("ignore:the engine failed")
def test_a_plan_is_that_of_the_cpu(name, replicates, unit_pairs):
    """With its report; seeds on the GPU are replicates of a study, a number is the seed of a training run."""
    n, size = (12 if name in ("all", "osgd") else 96), (2 if name == "matching" else 4)
    u, v = unit_pairs(*([] if replicates is None else [replicates]), n, 16)
    settings = {"batches_per_pool": 4} if name == "pooled-design" else {}
    rule = make_selection(name, loss=make_loss("clip_sum"), temperature=0.5, **settings)

    def plan(device):
        a, b = u.to(device), v.to(device)

        def embed(index):
            if index is None:
                return a, b
            rows = index.to(device)[..., None].expand(*index.shape, 16)
            return a.gather(-2, rows), b.gather(-2, rows)

        seed = 3 if replicates is None else torch.arange(replicates).to(device)
        others = {"temperature": 0.5, "labels": torch.arange(n) // 2}
        return planned(rule, n, size, seed=seed, epoch=2, embed=embed, **others)

    expected = plan("cpu")
    with pretend_cuda() as traffic:
        found = plan("cuda")
        waits = len(traffic.reads) + len(traffic.sends)
    if name != "all":
        assert torch.equal(on_cpu(found.batches), expected.batches)
        assert torch.equal(on_cpu(found.remainder), expected.remainder)
    assert {**found.info, "seconds": 0} == pytest.approx({**expected.info, "seconds": 0})
    assert waits <= (200 if name in MANY or METHODS[name].scope == "step" else 60)


def test_random_plans_do_not_wait():
    for name in ("fixed", "shuffled", "random", "full", "curriculum"):
        with pretend_cuda() as traffic:
            seeds = torch.arange(3, device="cuda")
            traffic.sends.clear()
            rule = make_selection(name, loss=make_loss("clip"), temperature=0.5)
            rule.plan(64, 8, seed=seeds, epoch=0, embed=lambda index: pytest.fail(f"asked for {index}"))
            assert (traffic.reads, traffic.sends) == ([], [])


@pytest.mark.parametrize("options", [{}, {"grad_accum": True, "dtype": "float32"}], ids=["steps", "accumulated"])
def test_a_study_of_free_embeddings_is_that_of_the_cpu(options, tmp_path):
    """Its steps are recorded and replayed, of every kind of plan."""
    names = ("shuffled", "full", "all", "osgd", "spectral", "jest")
    config = SyntheticConfig(selections=names, n_steps=2, log_every=1, seeds=3, figures=False, **options)

    def gaps(device):
        path = tmp_path / device
        run = Run.open(path, experiment="synthetic", config={}, device=device, overwrite=False)
        found = study(replace(config, device=device), 2, run, torch.device(device))["selections"]
        return {name: found[name]["gap"]["mean"] for name in names}

    expected = gaps("cpu")
    with pretend_cuda():
        assert gaps("cuda") == pytest.approx(expected, rel=1e-4)
