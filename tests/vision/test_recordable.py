"""What is recorded as a CUDA graph must not read anything back from the device; a CPU can tell, too."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from losses import PAIR_LOSSES, GlobalContrastive, make_loss
from training import make_optimizer
from training.captured import CapturedSteps
from vision.augmentation import Augmentation
from vision.model import Encoder
from vision.momentum import Follower
from vision.pairs import ImagePairs

pytestmark = pytest.mark.usefixtures("small_backbone")

SENDS = ("lift_fresh",)
"""A number of the host becomes a tensor: on a GPU it is sent there, which cannot be recorded."""
READS = ("_local_scalar_dense", "nonzero", "is_nonzero", "item", "unique", "masked_select", "equal", "bincount")


class NothingIsRead(TorchDispatchMode):
    """Refuses every operation whose result, or the size of it, a host would have to wait for."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert not name.startswith(READS), f"{func} reads from the device"
        assert not name.startswith(SENDS), f"{func} sends to the device"
        if name.startswith("index"):
            indices = [x for x in args[1] if x is not None] if isinstance(args[1], list | tuple) else []
            assert not any(x.dtype == torch.bool for x in indices), f"{func} counts what a mask selects"
        return func(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch):
    """On a CPU the scale of the logits and the factors of layers are read, which costs nothing there."""

    def multiply(self, x, y, scale, out):
        torch.mm(x * scale, y.mT, out=out)
        if self.shift is not None:
            out.add_(self.shift)

    monkeypatch.setattr("losses.walk.Walk._multiply", multiply)
    monkeypatch.setattr("training.optimizers._readable", lambda _factors: False)


def steps_of(digits, loss, optimizer="lars", *, momentum=None, raw=False):
    model = Encoder(stem="imagenet", hidden_dim=16, dim=8, seed=0)
    follower = None if momentum is None else Follower(model, momentum)
    pairs = ImagePairs(model, digits, augmentation=Augmentation(), size=16, seed=0, follower=follower, raw=raw)
    chosen = make_optimizer(optimizer, model.parameters(), learning_rate=0.1, momentum=0.9, weight_decay=1e-4)
    steps = CapturedSteps(pairs, loss, chosen, device=torch.device("cpu"), record=lambda work: work)
    pairs.begin_update(0)
    steps.static = pairs.inputs(torch.arange(8)[None])
    steps._work()  # the first one makes the optimiser's state
    return steps


def test_the_mode_notices():
    x = torch.arange(4.0)
    for read in (
        lambda: torch.as_tensor(1.0),
        lambda: x.sum().item(),
        lambda: x[x > 1],
        lambda: x.nonzero(),
        lambda: bool(x[0] > 0),
    ):
        with pytest.raises(AssertionError), NothingIsRead():
            read()


@pytest.mark.parametrize("name", PAIR_LOSSES)
def test_no_loss_is_read_back(name, digits):
    loss = make_loss(name, n_pairs=64, temperature=0.5)
    steps = steps_of(digits, loss)
    with NothingIsRead():
        steps._work()


@pytest.mark.parametrize("optimizer", ["lars", "lars-clipped"])
@pytest.mark.parametrize("momentum", [None, 0.9])
def test_no_optimiser_reads_back(optimizer, momentum, digits):
    """torch's own are asked to be recordable on a GPU alone, see `make_optimizer`."""
    steps = steps_of(digits, GlobalContrastive(64), optimizer, momentum=momentum)
    with NothingIsRead():
        steps._work()
