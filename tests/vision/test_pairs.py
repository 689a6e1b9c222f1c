"""Images as pairs: what training sees, ahead or not, recorded or not, with a follower or without."""

from copy import deepcopy

import pytest
import torch

from batching import Plan, make_selection
from losses import GlobalContrastive, Queue, make_loss
from training import Ranks, constant, fit
from training.captured import CapturedSteps, captures
from vision.augmentation import Augmentation
from vision.model import Encoder
from vision.momentum import Follower
from vision.pairs import ImagePairs

LOSS = make_loss("nt_xent", temperature=0.5)

pytestmark = pytest.mark.usefixtures("small_backbone")


def pairs_of(images, *, momentum=None, **options):
    model = Encoder(stem="imagenet", hidden_dim=16, dim=8, seed=0)
    follower = None if momentum is None else Follower(model, momentum)
    options = {"augmentation": Augmentation(min_area=0.5), "size": 16, "seed": 3} | options
    return ImagePairs(model, images, follower=follower, **options)


def train(pairs, *, loss=LOSS, updates=12, batch_size=8, **options):
    fit(
        pairs,
        selection=make_selection("shuffled", loss=LOSS, temperature=0.5),
        loss=loss,
        optimizer=torch.optim.SGD(pairs.model.parameters(), lr=0.1, momentum=0.9),
        learning_rate=lambda update: 0.1 / (1 + update),
        batch_size=batch_size,
        updates=updates,
        seed=1,
        log_every=4,
        **options,
    )
    return pairs.state_dict()


def plan_of(n, size):
    return Plan(torch.arange(n).view(-1, size), torch.empty(0, dtype=torch.long), "partition")


def test_views_made_ahead_are_those_made_in_time(digits):
    in_time, ahead = pairs_of(digits), pairs_of(digits, steps_at_once=3)
    plan = plan_of(64, 8)
    ahead.begin_plan(plan, position=2, update=10)  # two steps of it were taken before an interruption
    for row in range(2, 8):
        for pairs in (in_time, ahead):
            pairs.begin_update(8 + row)
        assert ahead.ahead.views(8 + row, 8) is not None
        made = [pairs.inputs(plan.batches[row, None]) for pairs in (in_time, ahead)]
        for one, other in zip(*made, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_training_is_the_same_with_views_made_ahead(digits):
    one, other = train(pairs_of(digits)), train(pairs_of(digits, steps_at_once=5))
    assert all(torch.equal(one[name], other[name]) for name in one)


def again(work):
    """In place of a CUDA graph: takes three steps that must not count, and does the work anew each time."""
    for _ in range(3):
        work()
    return work


LOSSES = {
    "nt_xent": lambda: LOSS,
    "sogclr": lambda: GlobalContrastive(64, temperature=0.5),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("momentum", [None, 0.9])
def test_a_recorded_step_is_the_step(loss, momentum, digits):
    """Recording begins with steps that do not count; weights, statistics, momentum and averages are put back."""
    results = []
    for recorded in (False, True):
        pairs, of_batch = pairs_of(digits, momentum=momentum), LOSSES[loss]()
        optimizer = torch.optim.SGD(pairs.model.parameters(), lr=0.1, momentum=0.9)
        options = {"device": torch.device("cpu"), "record": again}
        steps = (
            CapturedSteps(pairs, of_batch, optimizer, **options)
            if recorded
            else CapturedSteps.__base__(pairs, of_batch, optimizer)
        )
        plan = plan_of(64, 8)
        steps.begin_plan(plan, position=0, update=0)
        told = [
            steps.take(step, update=number, rate=0.1 / (1 + number)) for number, step in enumerate(plan.steps())
        ]
        state = deepcopy(pairs.model.state_dict())
        kept = of_batch.state_dict() if isinstance(of_batch, torch.nn.Module) else {}
        results.append(({**state, **kept}, [taken.losses for taken in told], [taken.pairs_seen for taken in told]))
    (one, losses, seen), (other, their_losses, their_seen) = results
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(torch.cat(losses), torch.cat(their_losses))
    assert seen == their_seen == [8] * 8


def test_what_cannot_be_recorded_is_said(digits):
    pairs = pairs_of(digits)
    cpu, gpu, gpus = Ranks(device="cpu"), Ranks(device="cuda"), Ranks(device="cuda")
    gpus.size = 2
    assert not captures("auto", pairs, LOSS, cpu)
    assert not captures("off", pairs, LOSS, gpu)
    assert captures("auto", pairs, LOSS, gpu)
    assert not captures("auto", pairs, LOSS, gpus)
    assert not captures("auto", pairs, Queue(8), gpu)
    with pytest.raises(ValueError, match="recording steps needs a CUDA device; set capture to auto or off"):
        captures("on", pairs, LOSS, cpu)


def test_a_follower_moves_by_its_momentum(digits):
    pairs = pairs_of(digits, momentum=0.75)
    before = deepcopy(pairs.follower.model.head[0].weight)
    torch.testing.assert_close(before, pairs.model.head[0].weight)
    train(pairs, updates=1)
    after = pairs.model.head[0].weight
    assert not torch.equal(before, after)
    torch.testing.assert_close(pairs.follower.model.head[0].weight, before.lerp(after, 0.25))
    assert all(parameter.grad is None for parameter in pairs.follower.model.parameters())


def test_second_views_go_through_the_follower(digits):
    pairs = pairs_of(digits, momentum=0.5)
    with torch.no_grad():
        pairs.follower.model.head[-1].weight.neg_()
    pairs.begin_update(0)
    u, v = pairs.encode(torch.arange(8), purpose="train")
    assert u.requires_grad
    assert not v.requires_grad
    _, plain = pairs_of(digits, views="separately").encode(torch.arange(8), purpose="train")
    assert (plain * v).sum(1).mean() < 0  # another encoder's
    assert {"model", "follower"} == set(pairs.state_dict())


def test_embeddings_in_training_mode_move_the_statistics(digits):
    """As in the code of Cho et al.; in evaluation mode, the default, nothing moves."""
    for mode, moves in (("eval", False), ("train", True)):
        pairs = pairs_of(digits, feature_mode=mode, embed_batch_size=32)
        before = deepcopy(pairs.model.backbone.bn1.running_mean)
        u, _ = pairs.embed(None)
        assert torch.equal(before, pairs.model.backbone.bn1.running_mean) is not moves
        torch.testing.assert_close(u.norm(dim=1), torch.ones(64))


def test_losses_of_raw_embeddings_get_them(digits):
    pairs = pairs_of(digits, raw=True)
    pairs.begin_update(0)
    u, _ = pairs.encode(torch.arange(8), purpose="train")
    assert (u.norm(dim=1) - 1).abs().max() > 0.1
    assert (pairs.encode(torch.arange(8), purpose="embed")[0].norm(dim=1) - 1).abs().max() < 1e-5
    train(pairs, loss=make_loss("vicreg"), updates=2)
    assert pairs.describe()["alignment"] <= 4  # diagnostics are of unit rows


def test_constant_rates_reach_a_recorded_step(digits):
    pairs = pairs_of(digits)
    optimizer = torch.optim.SGD(pairs.model.parameters(), lr=1.0)
    steps = CapturedSteps(pairs, LOSS, optimizer, device=torch.device("cpu"), record=again)
    before = deepcopy(pairs.model.head[0].weight)
    step = next(plan_of(64, 8).steps())
    steps.take(step, update=0, rate=constant(0.0)(0))
    assert torch.equal(before, pairs.model.head[0].weight)
