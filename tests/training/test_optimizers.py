"""Optimisers by name; LARS in both its forms against loops over tensors in float64."""

import io

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from training import Lars, make_optimizer, scaled_rate
from training.optimizers import OptimizerName, _laid_out

NAMES = OptimizerName.__args__


def fixed(*shape, seed, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def parameters(dtype=torch.float64):
    """All kinds: a matrix, a bias, a number, a convolution in both layouts, weights of 0, more than a row."""
    tensors = [fixed(*shape, seed=i, dtype=dtype) for i, shape in enumerate([(3, 4), (5,), (), (4, 3, 3, 3)])]
    tensors += [fixed(4, 3, 3, 3, seed=4, dtype=dtype).contiguous(memory_format=torch.channels_last)]
    tensors += [torch.zeros(2, 3, dtype=dtype), fixed(30, 40, seed=5, dtype=dtype)]
    return [nn.Parameter(x) for x in tensors]


def give_gradients(held, step, scale=1.0):
    for i, p in enumerate(held):
        p.grad = scale * fixed(*p.shape, seed=100 * step + i, dtype=p.dtype)
    held[0].grad = torch.zeros_like(held[0]) if step == 1 else held[0].grad


def lars(p, g, mu, *, lr, momentum, decay, trust):
    """As MoCo v3 has it."""
    if p.ndim > 1:
        g = g + decay * p
        if p.norm() > 0 and g.norm() > 0:
            g = g * (trust * p.norm() / g.norm())
    mu = momentum * mu + g
    return p - lr * mu, mu


def lars_clipped(p, g, mu, *, lr, momentum, decay, trust, clip=True):
    """As solo-learn has it."""
    if p.ndim != 1 and p.norm() > 0 and g.norm() > 0:
        ratio = trust * p.norm() / (g.norm() + decay * p.norm() + 1e-8)
        ratio = min(ratio / lr, 1) if clip else ratio
        g = (g + decay * p) * ratio
    mu = momentum * mu + g
    return p - lr * mu, mu


LOOPS = {"lars": (lars, 0.001), "lars-clipped": (lars_clipped, 0.02)}


@pytest.mark.parametrize("readable", [True, False], ids=["as on a CPU", "as on a GPU"])
@pytest.mark.parametrize("tensor_rate", [False, True], ids=["number", "tensor"])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("name", LOOPS)
def test_lars_is_its_loop(name, decay, tensor_rate, readable, monkeypatch):
    monkeypatch.setattr("training.optimizers._readable", lambda _factors: readable)
    loop, trust = LOOPS[name]
    ours = parameters()
    theirs = [(p.detach().clone(), torch.zeros_like(p)) for p in ours]
    optimizer = make_optimizer(name, ours, learning_rate=0.1, weight_decay=decay)
    for step, rate in enumerate((0.1, 0.5, 0.01, 0.2)):
        lr = torch.tensor(rate, dtype=torch.float64) if tensor_rate else rate
        optimizer.param_groups[0]["lr"] = lr
        give_gradients(ours, step, scale=1e-3 if step == 2 else 1.0)  # small enough to be clipped
        theirs = [
            loop(p, q.grad, mu, lr=rate, momentum=0.9, decay=decay, trust=trust)
            for (p, mu), q in zip(theirs, ours, strict=True)
        ]
        optimizer.step()
        for p, (expected, _) in zip(ours, theirs, strict=True):
            torch.testing.assert_close(p.detach(), expected, rtol=1e-12, atol=1e-14)


def test_the_clipped_form_without_clipping():
    (ours,) = [nn.Parameter(fixed(3, 4, seed=0))]
    expected, _ = lars_clipped(
        ours.detach().clone(), fixed(3, 4, seed=1), 0, lr=0.5, momentum=0.9, decay=0.1, trust=0.02, clip=False
    )
    ours.grad = fixed(3, 4, seed=1)
    Lars([ours], "lars-clipped", lr=0.5, weight_decay=0.1, clip_rate=False).step()
    torch.testing.assert_close(ours.detach(), expected, rtol=1e-12, atol=1e-14)


class Launches(TorchDispatchMode):
    """Counts operations that are more than another view of a tensor."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", LOOPS)
def test_lars_takes_no_more_launches_for_more_tensors(name, monkeypatch):
    monkeypatch.setattr("training.optimizers._readable", lambda _factors: False)  # as on a GPU
    counts = []
    for n_tensors in (2, 30):
        held = [nn.Parameter(fixed(3, 1 + i, seed=i)) for i in range(n_tensors)]
        held += [nn.Parameter(fixed(1 + i, seed=i)) for i in range(n_tensors)]
        optimizer = make_optimizer(name, held, learning_rate=0.1, weight_decay=1e-4)
        for step in range(2):  # the first makes the state
            give_gradients(held, step)
            with Launches() as launches:
                optimizer.step()
        counts.append(launches.count)
    assert counts[0] == counts[1] <= 28


def test_factors_are_laid_out_as_their_parameters():
    """Else operations on lists would be a launch for each tensor."""
    held = parameters()
    factors = torch.arange(len(held)) + 1.0
    for i, (p, laid_out) in enumerate(zip(held, _laid_out(factors, held), strict=True)):
        assert laid_out.shape == p.shape
        assert laid_out.stride() == p.stride()
        assert (laid_out == i + 1).all()


def test_the_two_forms_are_different_optimisers():
    moved = []
    for name in LOOPS:
        held = parameters()
        give_gradients(held, 0)
        make_optimizer(name, held, learning_rate=0.1, trust=0.01).step()
        moved.append(held[0].detach())
    assert not torch.allclose(*moved, rtol=1e-3)


def test_a_tensor_as_rate_is_read_at_every_step():
    """What a recorded step relies on; to the last bit what a number does."""
    found = []
    for rate in (0.1, torch.tensor(0.1)):
        held = parameters(torch.float32)
        optimizer = make_optimizer("lars", held, learning_rate=rate, weight_decay=1e-4)
        for step in range(3):
            give_gradients(held, step)
            if isinstance(rate, torch.Tensor):
                rate.fill_(0.1 / (step + 1))
            else:
                optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
            optimizer.step()
        found.append([p.detach() for p in held])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_optimiser_goes_on_to_the_last_bit(name):
    whole, first = parameters(torch.float32), parameters(torch.float32)
    optimizer, before = (
        make_optimizer(name, held, learning_rate=0.05, weight_decay=0.01) for held in (whole, first)
    )
    for step in range(4):
        give_gradients(whole, step)
        optimizer.step()
    for step in range(2):
        give_gradients(first, step)
        before.step()
    file = io.BytesIO()
    torch.save(before.state_dict(), file)
    file.seek(0)
    after = make_optimizer(name, first, learning_rate=0.7)
    after.load_state_dict(torch.load(file, weights_only=True))
    for step in range(2, 4):
        give_gradients(first, step)
        after.step()
    assert all(torch.equal(a, b) for a, b in zip(whole, first, strict=True))


@pytest.mark.parametrize("name", LOOPS)
def test_what_has_no_gradient_does_not_move(name):
    held = parameters()
    before = [p.detach().clone() for p in held]
    held[1].grad = torch.ones_like(held[1])
    optimizer = make_optimizer(name, held, learning_rate=0.1, weight_decay=0.5)
    assert optimizer.step(lambda: 3.0) == 3.0
    still = [torch.equal(p, q) for p, q in zip(held, before, strict=True)]
    assert still == [True, False, *[True] * 5]
    assert list(optimizer.state) == [held[1]]


@pytest.mark.parametrize("count", [4, 7])  # all in the plain layout; a channels-last one among them
def test_torchs_own_have_torchs_numbers(count):
    for name, kind, settings in (
        ("sgd", torch.optim.SGD, {"momentum": 0.8}),
        ("adam", torch.optim.Adam, {"betas": (0.8, 0.999)}),
        ("adamw", torch.optim.AdamW, {"betas": (0.8, 0.999)}),
    ):
        ours, theirs = parameters()[:count], parameters()[:count]
        pair = (
            make_optimizer(name, ours, learning_rate=0.05, momentum=0.8, weight_decay=0.1),
            kind(theirs, lr=0.05, weight_decay=0.1, **settings),
        )
        for step in range(3):
            for held, optimizer in zip((ours, theirs), pair, strict=True):
                give_gradients(held, step)
                optimizer.step()
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_no_optimiser_waits_for_the_gpu(name):
    held = [nn.Parameter(p.detach().cuda()) for p in parameters(torch.float32)]
    rate = torch.tensor(0.1, device="cuda")
    optimizer = make_optimizer(name, held, learning_rate=rate, weight_decay=1e-4)
    for step in range(3):
        for p in held:
            p.grad = torch.ones_like(p)
        torch.cuda.set_sync_debug_mode("error" if step else "default")  # the first step makes the state
        try:
            optimizer.step()
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "lamb"}, r"optimizer must be one of sgd, lars, lars-clipped, adam, adamw, got 'lamb'"),
        ({"name": "sgd", "trust": 0.1}, "trust belongs to lars and lars-clipped, got 0.1 for sgd; leave it out"),
        ({"name": "lars", "trust": 0.0}, "trust must be positive, got 0.0; 0.001 is usual"),
        ({"name": "adam", "momentum": 1.0}, "momentum must lie in"),
        ({"name": "sgd", "weight_decay": -1.0}, "weight_decay must be at least 0"),
        ({"name": "sgd", "learning_rate": float("nan")}, "learning_rate must be at least 0"),
    ],
)
def test_what_is_refused(settings, message):
    settings = {"learning_rate": 0.1} | settings
    with pytest.raises(ValueError, match=message):
        make_optimizer(settings.pop("name"), parameters(), **settings)


def test_rates_by_batch_size():
    assert scaled_rate(0.5, 64, "none") == 0.5
    assert scaled_rate(0.075, 64, "sqrt") == pytest.approx(0.6)
    assert scaled_rate(0.3, 1024, "linear") == pytest.approx(1.2)
