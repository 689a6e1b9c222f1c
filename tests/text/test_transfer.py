"""A training step on texts never has the host wait for the device; a CPU can tell, too.

`OnDevice` tensors say that they are on the device "meta", and compute on the CPU. So the code does what it would
beside a GPU, and `NothingWaits` sees each operation, and refuses those for which a host would wait.
"""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from batching import Plan
from losses import PAIR_LOSSES, make_loss
from losses.registry import LOSSES
from text.augmentation import Augmentation
from text.data import Lists
from text.model import build_encoder
from text.pairs import TextPairs, TrainingTexts
from text.tokens import Tokens
from text.transfer import sent
from text.words import Words

DEVICE = torch.device("meta")
READS = ("_local_scalar_dense", "nonzero", "is_nonzero", "item", "unique", "masked_select", "equal", "bincount")
N, VOCABULARY = 30, 40


class OnDevice(torch.Tensor):
    """A tensor of the CPU that says it is elsewhere."""

    @staticmethod
    def __new__(cls, held):
        return torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), dtype=held.dtype, device=DEVICE
        )

    def __init__(self, held):
        self.held = held

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return NothingWaits.run(func, args, kwargs or {}, strict=False)


class NothingWaits(TorchDispatchMode):
    """Refuses what reads from the device, and copies to it that are not asked to go on by themselves."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return self.run(func, args, kwargs or {}, strict=True)

    @staticmethod
    def run(func, args, kwargs, *, strict):
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        there = [x for x in given if isinstance(x, OnDevice)]
        target = torch.device(kwargs["device"]) if kwargs.get("device") is not None else None
        if strict:
            check(func, args, kwargs, given, there, target)
        if target == DEVICE:
            kwargs = kwargs | {"device": torch.device("cpu")}
        to_device = DEVICE in (target, *(x.device for x in there)) and target != torch.device("cpu")
        inner_args, inner_kwargs = tree_map_only(OnDevice, lambda x: x.held, (args, kwargs))
        if func is torch.ops.aten._to_copy.default:  # on the CPU, it would be the same one
            inner_kwargs.pop("non_blocking", None)
        found = func(*inner_args, **inner_kwargs)
        if func._schema.name.endswith("_") and not func._schema.name.endswith("__"):
            return args[0]
        return tree_map_only(torch.Tensor, OnDevice, found) if to_device else found


def check(func, args, kwargs, given, there, target):
    name = func.overloadpacket.__name__
    if target == DEVICE and given and not there:
        assert kwargs.get("non_blocking"), f"{func} waits until the copy is on the device"
    if not there:
        return
    assert not name.startswith(READS), f"{func} reads from the device"
    if name in ("repeat_interleave", "segment_reduce"):  # these look at their arguments unless told not to
        assert kwargs.get("output_size") is not None or kwargs.get("unsafe"), f"{func} reads from the device"
    assert target in (None, DEVICE), f"{func} brings something back"
    here = [x for x in given if not isinstance(x, OnDevice) and x.dim()]
    assert not here, f"{func} mixes tensors of host and device"
    if name.startswith("index"):
        indices = [x for x in args[1] if x is not None] if isinstance(args[1], list | tuple) else []
        assert not any(x.dtype == torch.bool for x in indices), f"{func} counts what a mask selects"


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch):
    """Nothing is autocast on "meta"; and a GPU multiplies with a scale that it has, where others must read it."""

    def multiply(self, x, y, scale, out):
        torch.mm(x * scale, y.mT, out=out)
        if self.shift is not None:
            out.add_(self.shift)

    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr("losses.walk.Walk._multiply", multiply)


@pytest.fixture
def varlen(monkeypatch):
    """As if the device had the kernel for texts of any lengths; what it is given must be there."""

    def kernel(q, k, v, starts, same, longest, _):
        assert starts.device == DEVICE
        assert starts.dtype == torch.int32
        assert starts is same
        assert isinstance(longest, int)
        return (q + k + v).contiguous()

    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", kernel)
    for module in ("text.model", "text.model_attention"):
        monkeypatch.setattr(f"{module}.uses_varlen", lambda *_: True)


def on_device(module):
    """With parameters and buffers there."""
    for part in module.modules():
        for name, x in part._parameters.items():
            part._parameters[name] = None if x is None else torch.nn.Parameter(OnDevice(x.detach()))
        for name, x in part._buffers.items():
            part._buffers[name] = None if x is None else OnDevice(x)
    return module


def tokens_of(n, seed):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 12, (n,), generator=generator)
    ids = torch.randint(5, VOCABULARY, (int(lengths.sum()),), generator=generator, dtype=torch.int32)
    return Tokens(ids, torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)]))


def pairs_of(*, loss="info_nce", augmentation=None, n_negatives=0, pooling="mean", **settings):
    """The tokens on the device, unless they are augmented."""
    every = torch.ones(VOCABULARY, dtype=torch.bool)
    queries, passages = (tokens_of(n, seed) for n, seed in ((N, 1), (3 * N, 2)))
    if augmentation is None:
        queries, passages = (Tokens(OnDevice(side.ids), side.offsets) for side in (queries, passages))
    texts = TrainingTexts(
        queries=queries,
        passages=passages,
        positives=Lists.of([[i, N + i] for i in range(N)]),
        negatives=Lists.of([[2 * N + i] for i in range(N)]),
        groups=torch.arange(N) // 2,
        passage_groups=torch.arange(3 * N),
        words_of=Words(every, ~every, torch.arange(3), torch.linspace(0.3, 1, 3).double()),
    )
    encoder = build_encoder(
        vocabulary_size=VOCABULARY,
        max_tokens=12,
        layers=2,
        hidden=16,
        heads=2,
        intermediate=None,
        dropout=0.1,
        seed=0,
        pooling=pooling,
    )
    return TextPairs(
        on_device(encoder),
        texts,
        updates_per_epoch=3,
        augmentation=augmentation,
        n_negatives=n_negatives,
        raw=LOSSES[loss].raw,
        loss_options=LOSSES[loss].options,
        seed=0,
        **settings,
    )


def step(pairs, loss="info_nce", batches=None):
    """The gradients of a step during which the host does not wait."""
    function = make_loss(loss, n_pairs=N, temperature=0.5)
    if isinstance(function, torch.nn.Module):
        on_device(function)
    pairs.begin_update(0)
    pairs._passages()  # once in an epoch, on the host
    with NothingWaits():
        value = pairs.accumulate(torch.arange(8)[None] if batches is None else batches, function, 1.0)
    assert value.device == DEVICE
    return {name: x.grad.held for name, x in pairs.model.named_parameters() if x.grad is not None}


def test_the_mode_notices():
    x, host = OnDevice(torch.arange(4.0)), torch.arange(4)
    assert (x + 1).device == sent(host, DEVICE).device == DEVICE
    for waits in (
        lambda: x.sum().item(),
        lambda: x[x > 1],
        lambda: x.nonzero(),
        lambda: bool(x[0] > 0),
        lambda: x.cpu(),
        lambda: host.to(DEVICE),
        lambda: x[host],
        lambda: x.repeat_interleave(x.long()),
        lambda: Tokens(x.int(), torch.tensor([0, 4])).take(OnDevice(host)),
    ):
        with pytest.raises(AssertionError), NothingWaits():
            waits()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_no_step_waits(pooling):
    gradients = step(pairs_of(pooling=pooling, n_negatives=1))
    assert all(x.isfinite().all() for x in gradients.values())
    assert len(gradients) > 30


@pytest.mark.usefixtures("varlen")
def test_nor_with_the_kernel_for_any_lengths():
    step(pairs_of(n_negatives=1))


def test_nor_with_augmentation():
    step(pairs_of(augmentation=Augmentation(delete=0.2, swap=0.2, replace=0.2)))


def test_nor_in_chunks():
    step(pairs_of(encode_batch_size=3))


@pytest.mark.parametrize("loss", PAIR_LOSSES)
@pytest.mark.usefixtures("varlen")
def test_nor_with_any_loss(loss):
    step(pairs_of(loss=loss), loss)


def test_batches_that_were_planned_on_the_device_come_to_the_host_once():
    batches = OnDevice(torch.arange(16).flip(0).reshape(2, 8))
    pairs = pairs_of()
    pairs.begin_plan(Plan(batches, batches[:0].flatten(), "partition"), position=1, update=0)
    found = step(pairs, batches=batches[1:])
    expected = step(pairs_of(), batches=batches[1:].held)
    for name in expected:
        assert torch.equal(found[name], expected[name])


def test_without_a_plan_such_batches_are_waited_for():
    with pytest.raises(AssertionError, match="brings something back"):
        step(pairs_of(), batches=OnDevice(torch.arange(8)[None]))


def test_padding_does_not_wait():
    tokens = tokens_of(5, 0)
    with NothingWaits():
        ids, is_token = Tokens(OnDevice(tokens.ids), tokens.offsets).padded()
    for found, expected in zip((ids, is_token), tokens.padded(), strict=True):
        assert torch.equal(found.held, expected)


def test_what_is_on_the_device_stays_and_comes_back_when_asked():
    x = OnDevice(torch.arange(4))
    assert sent(x, DEVICE) is x
    assert torch.equal(sent(x, "cpu"), torch.arange(4))


@pytest.mark.gpu
@pytest.mark.parametrize("size", [0, 5, 2**25])
def test_on_a_gpu_what_is_sent_is_what_arrives(size):
    x = torch.arange(size)
    assert torch.equal(sent(x, "cuda").cpu(), x)
    torch.cuda.set_sync_debug_mode("error")
    try:
        sent(x[:1000], "cuda")
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_on_a_gpu_no_step_waits(precision):
    pairs = pairs_of(n_negatives=1)
    texts = pairs.texts
    queries, passages = (Tokens(x.ids.held.cuda(), x.offsets) for x in (texts.queries, texts.passages))
    encoder = build_encoder(
        vocabulary_size=VOCABULARY,
        max_tokens=12,
        layers=2,
        hidden=16,
        heads=2,
        intermediate=None,
        dropout=0.1,
        seed=0,
        precision=precision,
    ).cuda()
    pairs.model, pairs.texts = encoder, replace(texts, queries=queries, passages=passages)
    loss = make_loss("info_nce", temperature=0.5)
    for update in range(2):
        pairs.begin_update(update)
        pairs.accumulate(torch.arange(8)[None], loss, 1.0)  # kernels are loaded
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        pairs.accumulate(torch.arange(8)[None], loss, 1.0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
