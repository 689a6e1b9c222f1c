"""A whole batch through an encoder in chunks: the gradient of one piece, the memory of one chunk."""

import weakref
from contextlib import contextmanager
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional

from losses import LearnedTemperature, Queue, cached_backward, info_nce, make_loss

N = 12
UNEVEN = (5, 1, 4, 2)


class Encoder(nn.Module):
    """Two towers and, for the tests that ask, dropout whose masks are remembered."""

    def __init__(self, dropout=0.0):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        weights = (torch.randn(6, 8, generator=generator), torch.randn(6, 8, generator=generator))
        self.towers = nn.ParameterList(weight.double() for weight in weights)
        self.dropout = dropout
        self.masks = []

    def forward(self, views):
        return tuple(self.embed(x, w) for x, w in zip(views.unbind(1), self.towers, strict=True))

    def embed(self, x, weight):
        hidden = (x @ weight).tanh()
        if self.dropout:
            self.masks.append(torch.rand(hidden.shape) > self.dropout)
            hidden = hidden * self.masks[-1]
        return functional.normalize(hidden + 0.1, dim=-1)


@pytest.fixture
def views():
    return torch.randn(N, 2, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def slopes(module):
    return [p.grad.clone() for p in module.parameters()]


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["info_nce", "nt_xent", "dcl", "hcl", "siglip", "kcl", "vicreg", "barlow_twins"])
@pytest.mark.parametrize("sizes", [UNEVEN, (N,), (1,) * N], ids=["uneven", "one piece", "row by row"])
def test_the_gradient_is_that_of_one_piece(name, sizes, views):
    loss = make_loss(name)
    cached, plain = Encoder(), Encoder()
    expected = loss(*plain(views))
    expected.backward()
    value = cached_backward(cached, views.split(sizes), loss)
    assert not value.requires_grad
    close(value, expected.detach())
    close(slopes(cached), slopes(plain))


def test_a_micro_batch_at_a_time_would_be_another_gradient(views):
    whole, accumulated = Encoder(), Encoder()
    info_nce(*whole(views)).backward()
    for part in views.split(4):
        (info_nce(*accumulated(part)) / 3).backward()
    cosine = functional.cosine_similarity(*(torch.cat(slopes(x)).flatten() for x in (whole, accumulated)), dim=0)
    assert cosine < 0.99


def test_gradients_add_up_and_take_the_scale(views):
    cached, plain = Encoder(), Encoder()
    info_nce(*plain(views)).backward()
    value = cached_backward(cached, views.split(UNEVEN), info_nce)
    scaled = cached_backward(cached, views.split(UNEVEN), info_nce, scale=256.0)
    close(scaled, value)
    close(slopes(cached), [257 * slope for slope in slopes(plain)])


def test_a_learned_temperature_learns(views):
    encoders, learned = (Encoder(), Encoder()), [LearnedTemperature(0.3).double() for _ in range(2)]
    info_nce(*encoders[0](views), temperature=learned[0]()).backward()
    loss = lambda u, v: info_nce(u, v, temperature=learned[1]())  # noqa: E731
    cached_backward(encoders[1], views.split(UNEVEN), loss)
    assert learned[0].log_scale.grad.abs() > 1e-3
    close(slopes(learned[1]), slopes(learned[0]))
    close(slopes(encoders[1]), slopes(encoders[0]))


def test_both_passes_draw_the_same_random_numbers(views):
    chunks = views.split(UNEVEN)
    cached, plain = Encoder(dropout=0.5), Encoder(dropout=0.5)
    torch.manual_seed(7)
    u, v = (torch.cat(parts) for parts in zip(*(plain(chunk) for chunk in chunks), strict=True))
    noise = torch.rand(3)
    afterwards = torch.get_rng_state()
    expected = info_nce(u, v) + noise.sum()
    expected.backward()

    torch.manual_seed(7)
    value = cached_backward(cached, chunks, lambda u, v: info_nce(u, v) + torch.rand(3).sum())
    first, second = cached.masks[: len(plain.masks)], cached.masks[len(plain.masks) :]
    assert len(first) == len(second) == 2 * len(UNEVEN)
    for mine, again, theirs in zip(first, second, plain.masks, strict=True):
        assert torch.equal(mine, again)
        assert torch.equal(mine, theirs)
    assert not torch.equal(first[0][:1], first[2][:1]), "chunks have masks of their own"
    assert torch.equal(torch.get_rng_state(), afterwards), "as if there had been one forward pass"
    close(value, expected.detach())
    close(slopes(cached), slopes(plain))


def test_gradients_travel_with_the_last_chunk_alone(views):
    inside, seen = [False], []

    @contextmanager
    def no_sync():
        inside[0] = True
        yield
        inside[0] = False

    encoder = Encoder()
    encoder.towers[0].register_post_accumulate_grad_hook(lambda _: seen.append(inside[0]))
    cached_backward(encoder, views.split(UNEVEN), info_nce, no_sync=no_sync)
    assert seen == [True, True, True, False]


class Held:
    """What a graph keeps for its backward pass: rows now, and at most."""

    def __init__(self):
        self.now = self.most = 0

    def hooks(self):
        return torch.autograd.graph.saved_tensors_hooks(self.pack, lambda box: box[0])

    def pack(self, x):
        rows = x.numel()
        self.now += rows
        self.most = max(self.most, self.now)
        box = _Box([x])
        weakref.finalize(box, self.drop, rows)
        return box

    def drop(self, rows):
        self.now -= rows


class _Box(list):
    """A list that can be referred to weakly."""


def test_one_chunks_graph_is_held_at_a_time(views):
    def most(chunks):
        held, encoder = Held(), Encoder()

        def encode(chunk):
            with held.hooks():
                return encoder(chunk)

        cached_backward(encode, chunks, make_loss("alignment"))
        assert held.now == 0
        return held.most

    of_one_chunk = most([views[:3]])
    assert of_one_chunk > 0
    assert most(views.split(3)) == of_one_chunk
    assert most([views]) > 2 * of_one_chunk


def test_a_frozen_tower_stays_frozen(views):
    cached, plain = Encoder(), Encoder()
    for encoder in (cached, plain):
        encoder.towers[1].requires_grad_(False)
    info_nce(*plain(views)).backward()
    cached_backward(cached, views.split(UNEVEN), info_nce)
    close(cached.towers[0].grad, plain.towers[0].grad)
    assert cached.towers[1].grad is None


def test_a_loss_may_take_its_keys_for_constants(views):
    cached, plain = Encoder(), Encoder()
    queues = [Queue(8, size=20).double() for _ in range(2)]
    for _ in range(2):
        queues[0](*plain(views)).backward()
        cached_backward(cached, views.split(UNEVEN), queues[1])
    assert plain.towers[0].grad.norm() > 0
    close(cached.towers[0].grad, plain.towers[0].grad)
    assert not cached.towers[1].grad.any()


def test_a_loss_with_a_memory_moves_once(views):
    index = torch.arange(N)
    losses = [make_loss("sogclr", n_pairs=N).double() for _ in range(2)]
    cached, plain = Encoder(), Encoder()
    for _ in range(2):
        losses[0](*plain(views), index=index).backward()
        cached_backward(cached, views.split(UNEVEN), partial(losses[1], index=index))
    close(losses[1].log_average, losses[0].log_average)
    close(slopes(cached), slopes(plain))
