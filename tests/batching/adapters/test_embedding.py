"""Embeddings in the form in which rules ask for them."""

import planned_rules as rules
import planned_worker as worker
import pytest
import torch
from torch import nn
from torch.nn import functional

from batching.adapters.embedding import embed_with, evaluating

N, DIM = 11, 4


def encoder(u, v):
    return lambda index: (u[index], v[index])


@pytest.mark.parametrize("batch_size", [1, 4, 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_rows_come_in_the_order_asked_for_with_unit_length(batch_size, dtype):
    u, v = 5 * torch.randn(2, N, DIM, generator=torch.Generator().manual_seed(0)).to(dtype)
    embed = embed_with(encoder(u, v), N, batch_size)
    for index in (None, torch.tensor([7, 0, 7, 10]), torch.tensor([[1, 2], [0, 9]])):
        for rows, raw in zip(embed(index), (u, v), strict=True):
            asked = torch.arange(N) if index is None else index
            assert rows.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
            torch.testing.assert_close(rows, functional.normalize(raw[asked].to(rows.dtype), dim=-1))


def test_chunks_are_no_larger_than_asked():
    sizes = []

    def encode(index):
        sizes.append(len(index))
        return tuple(rules.unit(N)[:, index])

    embed_with(encode, N, 4)(None)
    assert sizes == [4, 4, 3]


def test_length_does_not_matter_however_extreme():
    u = torch.tensor([[3e-30, 4e-30], [3e30, 4e30], [3.0, 4.0]])
    rows, _ = embed_with(encoder(u, u), 3, 2)(None)
    torch.testing.assert_close(rows, torch.tensor([[0.6, 0.8]]).expand(3, 2))


def test_the_model_is_evaluated_and_then_left_as_it_was():
    model = nn.Sequential(nn.Linear(DIM, DIM), nn.BatchNorm1d(DIM), nn.Dropout(0.5))
    model[1].eval()  # frozen
    before = {name: x.clone() for name, x in model.state_dict().items()}
    x = torch.randn(N, DIM, requires_grad=True)
    embed = embed_with(lambda index: (model(x[index]), model(x[index])), N, 4, model=model)
    state = torch.random.get_rng_state()
    first, again = embed(None), embed(None)
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not first[0].requires_grad
    assert torch.equal(torch.random.get_rng_state(), state), (
        "training goes on with the random numbers it would have"
    )
    assert [module.training for module in model] == [True, False, True]
    assert model.training
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_the_mode_is_restored_after_an_error():
    model = nn.Linear(2, 2)
    with pytest.raises(KeyError), evaluating(model):
        raise KeyError
    assert model.training


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 0.0])
def test_a_bad_row_is_named(value):
    u, v = rules.unit(N)
    v[[6, 8]] = value
    with pytest.raises(ValueError, match=r"finite and not 0.* as v of pair 8, the first of 2"):
        embed_with(encoder(u, v), N, 3)(torch.tensor([1, 8, 6]))


@pytest.mark.parametrize(
    "encode",
    [
        lambda _: (torch.ones(2, DIM), torch.ones(2, DIM)),
        lambda index: (torch.ones(len(index), DIM), torch.ones(len(index), DIM + 1)),
        lambda index: (torch.ones(len(index)), torch.ones(len(index))),
    ],
    ids=["too few rows", "two dimensions", "no dimension"],
)
def test_other_shapes_are_refused(encode):
    with pytest.raises(ValueError, match=r"u and v of shape \[3, dim\] for 3 pairs"):
        embed_with(encode, N, 3)(None)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="at least 1, got 11 and 0"):
        embed_with(encoder(*rules.unit(N)), N, 0)


def test_alone_nobody_shares():
    found = worker.shared_embeddings()
    encoded = [i for chunk in found["encoded"] for i in chunk]
    assert encoded[: worker.N] == found["index"].tolist()
