"""The one loop, on the smallest task there is."""

import io
import json

import pytest
import torch

from batching import derived_seed, make_selection
from losses import make_loss
from training import (
    EncodedPairs,
    GradientDescent,
    Moment,
    Progress,
    Run,
    constant,
    fit,
    warmup_cosine,
    warmup_linear,
)

CLIP = make_loss("clip", temperature=0.5)
CLIP_SUM = make_loss("clip_sum", temperature=1.0)


class Lookup(EncodedPairs):
    """Two tables of embeddings behind the interface of an encoder, with noise in every step."""

    def __init__(self, n_pairs=12, dim=4, seed=0, noise=1.0):
        generator = torch.Generator().manual_seed(seed)
        model = torch.nn.ParameterList([torch.randn(n_pairs, dim, generator=generator) for _ in "uv"])
        super().__init__(model, n_pairs=n_pairs, seed=seed, embed_batch_size=5)
        self.noise = noise
        self.encoded = []

    def encode(self, index, *, purpose):
        if purpose == "train":
            self.encoded.append(index.tolist())
        views = []
        for number, table in enumerate(self.model):
            generator = torch.Generator().manual_seed(derived_seed(self.seed, purpose, 2 * self.update + number))
            noise = torch.randn(self.n_pairs, table.shape[1], generator=generator)
            views.append(torch.nn.functional.normalize(table[index] + self.noise * noise[index], dim=-1))
        return views[0], views[1]


def train(task, *, loss=CLIP, selection="shuffled", updates=30, run=None, log_every=4, rate=None, **options):
    optimizer = torch.optim.SGD(task.model.parameters(), lr=0.1, momentum=0.9)
    rule = make_selection(selection, loss=loss, temperature=0.5, **options)
    return fit(
        task,
        selection=rule,
        loss=loss,
        optimizer=optimizer,
        learning_rate=rate or constant(0.1),
        batch_size=3,
        updates=updates,
        seed=7,
        log_every=log_every,
        run=run,
        checkpoint_every=5,
    )


def metrics(path):
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def open_run(path):
    return Run.open(path, experiment="test", config={})


@pytest.mark.parametrize("selection", ["fixed", "shuffled", "osgd", "spectral"])
def test_training_lowers_the_loss(selection, tmp_path):
    last = train(Lookup(), selection=selection, run=open_run(tmp_path), updates=60)
    lines = metrics(tmp_path)
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
    assert isinstance(last, Moment)
    assert last.update == lines[-1]["update"] == 60
    assert last.pairs_seen == 180


class Killed(Exception):
    """In place of SIGKILL."""


class Mortal(Lookup):
    """Dies before an update."""

    def __init__(self, killed_at):
        super().__init__()
        self.killed_at = killed_at

    def begin_update(self, update):
        if update == self.killed_at:
            raise Killed
        super().begin_update(update)


@pytest.mark.parametrize(
    ("selection", "options"),
    [("shuffled", {}), ("fixed", {}), ("osgd", {"candidates": 8, "keep": 4}), ("spectral", {})],
)
@pytest.mark.parametrize("killed_at", [7, 13, 22])
def test_a_resumed_run_equals_an_uninterrupted_one(selection, options, killed_at, tmp_path):
    train(Lookup(), selection=selection, run=open_run(tmp_path / "whole"), **options)
    finished = Lookup()
    train(finished, selection=selection, run=open_run(tmp_path / "again"), **options)
    assert metrics(tmp_path / "again") == metrics(tmp_path / "whole")
    with pytest.raises(Killed):
        train(Mortal(killed_at), selection=selection, run=open_run(tmp_path / "killed"), **options)
    survivor = Lookup(seed=0)
    train(survivor, selection=selection, run=open_run(tmp_path / "killed"), **options)
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")
    for mine, theirs in zip(survivor.model, finished.model, strict=True):
        assert torch.equal(mine, theirs)
    assert len(survivor.encoded) < 30, "it went on; it did not start over"


class Weary(torch.nn.Module):
    """A loss with a state: how often each pair was seen, by which its weight goes down."""

    takes_index = True

    def __init__(self, n_pairs=12):
        super().__init__()
        self.register_buffer("seen", torch.zeros(n_pairs))
        self.fed = []

    def forward(self, u, v, *, index, reduction="mean"):
        self.fed.append(index.tolist())
        self.seen[index] += 1
        values = CLIP(u, v, reduction="none") / self.seen[index]
        return values if reduction == "none" else getattr(values, reduction)()


@pytest.mark.parametrize("selection", ["shuffled", "spectral", "full"])
def test_a_loss_with_a_state_is_told_which_pairs_it_sees(selection):
    task, loss = Lookup(), Weary()
    train(task, loss=loss, selection=selection, updates=7)
    assert loss.fed == task.encoded
    assert loss.seen.sum() == (7 * 12 if selection == "full" else 7 * 3)


@pytest.mark.parametrize("killed_at", [7, 13, 22])
def test_the_state_of_a_loss_is_saved_and_restored(killed_at, tmp_path):
    finished, whole = Lookup(), Weary()
    train(finished, loss=whole, run=open_run(tmp_path / "whole"))
    with pytest.raises(Killed):
        train(Mortal(killed_at), loss=Weary(), run=open_run(tmp_path / "killed"))
    survivor, resumed = Lookup(), Weary()
    train(survivor, loss=resumed, run=open_run(tmp_path / "killed"))
    assert len(resumed.fed) < 30
    assert torch.equal(resumed.seen, whole.seen)
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")
    for mine, theirs in zip(survivor.model, finished.model, strict=True):
        assert torch.equal(mine, theirs)


def test_a_finished_fit_does_nothing_more(tmp_path):
    train(Lookup(), run=open_run(tmp_path))
    again = Lookup()
    train(again, run=open_run(tmp_path))
    assert again.encoded == []


def test_shuffled_batches_cover_the_set_in_every_epoch():
    task = Lookup()
    train(task, updates=12)
    epochs = [task.encoded[i : i + 4] for i in (0, 4, 8)]
    assert all(sorted(pair for batch in epoch for pair in batch) == list(range(12)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_all_batches_make_one_update_with_their_mean():
    task = Lookup(n_pairs=6, noise=0.0)
    before = [table.detach().clone().requires_grad_() for table in task.model]
    train(task, selection="all", updates=1)
    u, v = (torch.nn.functional.normalize(table, dim=-1) for table in before)
    assert len(task.encoded) == 20
    mean = torch.stack([CLIP(u[i], v[i]) for i in task.encoded]).mean()
    mean.backward()
    for table, start in zip(task.model, before, strict=True):
        torch.testing.assert_close(table.detach(), start.detach() - 0.1 * start.grad)


def test_the_learning_rate_follows_its_schedule(tmp_path):
    train(Lookup(), run=open_run(tmp_path), log_every=1, rate=warmup_cosine(1e-2, 30, warmup=5))
    rates = [line["learning_rate"] for line in metrics(tmp_path)]
    assert rates[:5] == pytest.approx([0.002, 0.004, 0.006, 0.008, 0.01])
    assert rates[4] == max(rates)
    assert 0 < rates[-1] < 1e-4


def test_a_loss_that_is_no_number_stops_the_run():
    task = Lookup()
    with torch.no_grad():
        task.model[0][0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match=r"loss must stay finite, got nan at update 4; lower"):
        train(task)


def test_sizes_are_checked_before_anything_starts():
    task = Lookup(n_pairs=2)
    with pytest.raises(ValueError, match="batch_size must lie between"):
        train(task)
    assert task.encoded == []


def test_progress_writes_plain_lines_where_there_is_no_terminal():
    stream = io.StringIO()
    with Progress("run", 10, stream=stream, seconds_between_lines=0.0) as progress:
        for update in range(1, 11):
            assert progress.due()
            progress.show(update, 0.5)
    assert "run: 10/10 updates, loss 0.5000" in stream.getvalue()
    assert "s left" in stream.getvalue()


def test_progress_is_silent_when_it_is_quick():
    stream = io.StringIO()
    with Progress("run", 10, stream=stream, seconds_between_lines=60.0) as progress:
        progress.show(10, 0.5)
    assert stream.getvalue() == ""


def test_progress_of_all_processes_but_one_is_not_shown():
    stream = io.StringIO()
    with Progress("run", 10, stream=stream, seconds_between_lines=0.0, shown=False) as progress:
        assert not progress.due()
        progress.show(10, 0.5)
    assert stream.getvalue() == ""


def test_loss_of_the_line_is_the_mean_since_the_line_before():
    seen = []
    task = Lookup(noise=0.0)

    def observe(moment):
        seen.append(moment)
        return {}

    rule = make_selection("fixed", loss=CLIP_SUM, temperature=1.0)
    optimizer = torch.optim.SGD(task.model.parameters(), lr=0.0)
    fit(
        task,
        selection=rule,
        loss=CLIP_SUM,
        optimizer=optimizer,
        learning_rate=constant(0.0),
        batch_size=3,
        updates=8,
        seed=0,
        log_every=4,
        observe=observe,
    )
    u, v = task.embed(None)
    plan = rule.plan(12, 3, seed=0, epoch=0, embed=task.embed)
    expected = CLIP_SUM(u, v, batches=plan.batches).mean()
    assert [moment.update for moment in seen] == [0, 4, 8]
    assert seen[0].loss is None
    assert [moment.loss.item() for moment in seen[1:]] == pytest.approx([expected.item()] * 2)


def test_plain_gradient_descent_is_torchs_without_momentum():
    tables = [torch.nn.Parameter(torch.randn(3, 2, generator=torch.Generator().manual_seed(i))) for i in (0, 0, 1)]
    ours, theirs, idle = (
        GradientDescent([tables[0], tables[2]], 0.1),
        torch.optim.SGD([tables[1]], lr=0.1),
        tables[2],
    )
    before = idle.detach().clone()
    for rate in (0.1, 0.3):
        for optimizer, table in ((ours, tables[0]), (theirs, tables[1])):
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            (table**3).sum().backward()
            optimizer.step()
    torch.testing.assert_close(tables[0], tables[1])
    assert torch.equal(idle, before), "what has no gradient does not move"
    assert ours.state_dict() == {}


@pytest.mark.parametrize("loss", ["clip", "dcl", "vicreg", "sogclr"])
def test_an_encoder_in_chunks_trains_as_one_in_a_piece(loss):
    """Two pairs at a time through the encoder, and yet all of the batch in the loss."""
    tables = []
    for chunk in (None, 2):
        task = Lookup()
        task.encode_batch_size = chunk
        bound = make_loss(loss, temperature=0.5, n_pairs=task.n_pairs)
        train(task, loss=bound, updates=8)
        tables.append(torch.stack([table.detach() for table in task.model]))
        assert {len(index) for index in task.encoded} == ({3} if chunk is None else {2, 1})
    torch.testing.assert_close(*tables, rtol=1e-5, atol=1e-6)


def test_a_line_of_the_log_describes_the_latest_batch(tmp_path):
    train(Lookup(), updates=8, run=open_run(tmp_path))
    for line in metrics(tmp_path):
        assert 0 <= line["accuracy"] <= 1
        assert 1 <= line["effective_negatives"] <= 2
        assert line["alignment"] > 0
        assert line["uniformity"] < 0
        assert 1 <= line["effective_rank"] <= 3


def test_a_line_up_and_a_line_down():
    rate = warmup_linear(2.0, 10, warmup=4)
    down = [2 * k / 6 for k in range(6, 0, -1)]
    assert [rate(update) for update in range(10)] == pytest.approx([0.5, 1, 1.5, 2, *down])
