"""Our losses in sentence-transformers: the values and gradients that they have alone, through its own trainer."""

import pytest
import sentences_worker as worker
import torch
from torch import nn
from torch.nn import functional

from losses import LOSSES, PAIR_LOSSES, LearnedTemperature, clip, info_nce, make_loss

pytest.importorskip("sentence_transformers", minversion="6.2")

from losses.adapters.sentence_transformers import PairLoss
from losses.adapters.transformers import loss_callback

N, DIM = 6, 5
TAKERS = [name for name in PAIR_LOSSES if "negatives" in LOSSES[name].options]


class Linear(nn.Module):
    """What a `SentenceTransformer` is to a loss, in float64; raw inputs for texts."""

    def __init__(self, dropout=0.0):
        super().__init__()
        weights = torch.randn(4, DIM, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        self.weight = nn.Parameter(weights)
        self.dropout = nn.Dropout(dropout)

    def __getitem__(self, _index):
        return self

    def forward(self, features):
        return {"sentence_embedding": self.dropout(features["input_ids"] @ self.weight)}


def columns(count=2):
    generator = torch.Generator().manual_seed(1)
    return [{"input_ids": torch.randn(N, 4, generator=generator, dtype=torch.float64)} for _ in range(count)]


def made(name, **settings):
    loss = make_loss(name, n_pairs=3 * N, **settings)
    return loss.double() if isinstance(loss, nn.Module) else loss


def step(name_or_loss, labels=None, n_columns=2, *, model=None, scale=1.0, **settings):
    """Value, gradient of the model."""
    model = Linear() if model is None else model
    loss = made(name_or_loss) if isinstance(name_or_loss, str) else name_or_loss
    value = PairLoss(model, loss, **settings)(columns(n_columns), labels)
    (scale * value).backward()
    return value.detach(), model.weight.grad


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", PAIR_LOSSES)
def test_every_loss_has_the_value_and_gradient_that_it_has_alone(name):
    rows = torch.tensor([3, 1, 4, 0, 5, 9])
    model = Linear()
    u, v = (model(x)["sentence_embedding"] for x in columns())
    if not LOSSES[name].raw:
        u, v = (functional.normalize(x, dim=-1) for x in (u, v))
    expected = made(name)(u, v, **({"index": rows} if LOSSES[name].is_stateful else {}))
    expected.backward()
    close(step(name, rows), (expected.detach(), model.weight.grad))


@pytest.mark.parametrize("name", PAIR_LOSSES)
def test_in_chunks_as_in_one_piece(name):
    rows = torch.arange(N)
    close(step(name, rows, chunk_size=4, scale=3.0), step(name, rows, scale=3.0))


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize("chunk_size", [None, 4])
def test_more_columns_are_negatives(name, chunk_size):
    embeddings = [functional.normalize(x["input_ids"] @ Linear().weight, dim=-1).detach() for x in columns(3)]
    expected = made(name)(embeddings[0], embeddings[1], negatives=embeddings[2])
    close(step(name, n_columns=3, chunk_size=chunk_size)[0], expected)


def test_several_columns_of_negatives_are_all_of_them():
    few, many = (step("info_nce", n_columns=n)[0] for n in (3, 4))
    assert many > few


def test_rows_of_one_number_are_no_negatives_of_each_other():
    rows, numbers = torch.tensor([3, 1, 4, 0, 5, 2]), torch.tensor([0, 1, 2, 0, 4, 5])
    u, v = (functional.normalize(x["input_ids"] @ Linear().weight, dim=-1).detach() for x in columns())
    expected = info_nce(u, v, ids=numbers[rows])
    assert expected < info_nce(u, v)
    close(step("info_nce", rows, ids=numbers)[0], expected)
    close(step("info_nce", rows, ids=numbers, chunk_size=4)[0], expected)
    close(step("info_nce", numbers[rows], ids="label")[0], expected)
    classes = step("supcon", numbers[rows], ids="label")[0]
    close(classes, LOSSES["supcon"].function(u, v, labels=numbers[rows]))


class Learned(nn.Module):
    """A loss of one's own, with a parameter."""

    def __init__(self):
        super().__init__()
        self.temperature = LearnedTemperature(0.3).double()

    def forward(self, u, v):
        return clip(u, v, temperature=self.temperature())


@pytest.mark.parametrize("normalise", [None, False])
def test_a_loss_of_ones_own_learns_with_the_model_in_chunks_too(normalise):
    losses = [Learned(), Learned()]
    found = [
        step(loss, scale=0.25, chunk_size=chunk_size, normalise=normalise)
        for loss, chunk_size in zip(losses, (None, 4), strict=True)
    ]
    close(found[1], found[0])
    slopes = [loss.temperature.log_scale.grad for loss in losses]
    assert slopes[0].abs() > 1e-4
    close(slopes[1], slopes[0])


def test_chunks_see_the_same_dropout_twice():
    """Both passes of the chunks draw the same masks, and so the gradient is that of the value."""
    torch.manual_seed(3)
    model = Linear(dropout=0.5)
    value, slope = step("info_nce", model=model, chunk_size=4)
    torch.manual_seed(3)
    parts = [
        [model({"input_ids": chunk})["sentence_embedding"] for chunk in x["input_ids"].split(4)] for x in columns()
    ]
    u, v = (functional.normalize(torch.cat(x), dim=-1) for x in parts)
    expected = info_nce(u, v)
    model.weight.grad, slope = None, slope.clone()
    expected.backward()
    close((value, slope), (expected.detach(), model.weight.grad))


def test_memory_moves_once_for_a_batch():
    rows, memories = torch.arange(N), [made("sogclr"), made("sogclr")]
    for memory, chunk_size in zip(memories, (None, 2), strict=True):
        for _ in range(2):
            step(memory, rows, chunk_size=chunk_size)
    close(memories[1].log_average, memories[0].log_average)
    assert memories[0].seen.sum() == N


def test_losses_are_in_float32_under_autocast():
    features = [{"input_ids": x["input_ids"].float()} for x in columns()]
    loss = PairLoss(Linear().float(), make_loss("info_nce", temperature=0.01))
    plain = loss(features)
    embeddings = [loss.model(x)["sentence_embedding"] for x in features]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss.compute_loss_from_embeddings(embeddings), plain)
        assert not torch.equal(info_nce(*(functional.normalize(x, dim=-1) for x in embeddings)).float(), plain)


@pytest.mark.parametrize(
    ("name", "settings", "n_columns", "labels", "told"),
    [
        ("info_nce", {}, 1, None, "columns of anchors and of positives, got 1"),
        ("dcl", {}, 3, None, "dcl takes no negatives, got 3 .* info_nce, .*triplet"),
        ("triplet", {}, 4, None, "one negative of each pair, got 2"),
        ("sogclr", {}, 2, None, r"label column of whole numbers, got none; .*add_column\(\"label\""),
        ("sogclr", {}, 2, torch.zeros(N), "got torch.float32"),
        ("info_nce", {"ids": torch.arange(N)}, 2, None, "label column"),
    ],
)
def test_batches_that_do_not_fit_are_refused_before_any_work(name, settings, n_columns, labels, told):
    class Untouched(Linear):
        def forward(self, _features):
            raise AssertionError

    with pytest.raises(ValueError, match=told):
        PairLoss(Untouched(), made(name), **settings)(columns(n_columns), labels)


def test_what_cannot_work_is_refused_at_once():
    for loss, settings, told in (
        (LOSSES["cosent"].function, {}, "cosent needs scores of the pairs"),
        (made("siglip"), {"ids": torch.arange(3)}, "ids are for info_nce, .*, got siglip"),
        (made("dcl"), {"chunk_size": 0}, "chunk_size must be at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=told):
            PairLoss(Linear(), loss, **settings)
    with pytest.raises(ValueError, match="a StaticEmbedding has no rows"):
        PairLoss(worker.static_model(), made("dcl"), chunk_size=2)
    with pytest.raises(ValueError, match="for losses with a state, got ReLU"):
        loss_callback(nn.ReLU())


def test_what_the_model_card_says():
    loss = PairLoss(Linear(), make_loss("dcl", temperature=0.05), chunk_size=8)
    assert loss.get_config_dict() == {"loss": "dcl", "temperature": 0.05, "chunk_size": 8, "unit_embeddings": True}
    assert "@misc{dcl" in loss.citation
    assert "eprint = {2110.06848}" in loss.citation
    memory = PairLoss(Linear(), made("sogclr", temperature=0.2)).get_config_dict()
    assert (memory["temperature"], memory["gamma"]) == (0.2, 0.9)
    assert PairLoss(Linear(), Learned()).citation == ""


# In its trainer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return worker.save_model(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("chunk_size", [None, 3])
def test_training_with_planned_batches_is_that_of_plain_steps(folder, tmp_path, chunk_size):
    """The trainer's weights, and the memory, after two epochs of planned batches."""
    found = worker.trained(folder, tmp_path, chunk_size=chunk_size)
    expected = worker.by_hand(folder, found["plans"])
    assert len(found["losses"]) == len(found["plans"]) == 8
    torch.testing.assert_close(found["memory"], expected["memory"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found["weights"], expected["weights"], rtol=1e-4, atol=1e-5)
    card = (tmp_path / "checkpoint-8" / "README.md").read_text()
    assert "#### PairLoss" in card
    assert "The loss sogclr" in card
    assert '"gamma": 0.5' in card


def test_resumed_training_goes_on_with_the_memory(folder, tmp_path):
    whole = worker.trained(folder, tmp_path)
    resumed = worker.trained(folder, tmp_path, resume=5)
    assert resumed["losses"] == whole["losses"][5:]
    torch.testing.assert_close(resumed["memory"], whole["memory"], rtol=1e-5, atol=1e-5)
    (tmp_path / "checkpoint-5" / "loss.pt").unlink()
    with pytest.raises(ValueError, match="resuming needs the state of the loss"):
        worker.trained(folder, tmp_path, resume=5)


def test_two_processes_train_as_one_does_with_all_pairs(folder, tmp_path):
    torch.multiprocessing.spawn(worker.run, args=(str(folder), str(tmp_path), 2), nprocs=2)
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for name in ("sogclr", "learned"):
        first, second = (rank[name] for rank in ranks)
        torch.testing.assert_close(first["weights"], second["weights"], rtol=0, atol=0)
        torch.testing.assert_close(first["memory"], second["memory"], rtol=0, atol=0)
    alone = worker.by_hand(folder, ranks[0]["sogclr"]["plans"])
    torch.testing.assert_close(ranks[0]["sogclr"]["weights"], alone["weights"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ranks[0]["sogclr"]["memory"], alone["memory"], rtol=1e-4, atol=1e-4)
    alone = worker.by_hand(folder, ranks[0]["learned"]["plans"], loss=worker.learned())
    torch.testing.assert_close(ranks[0]["learned"]["weights"], alone["weights"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ranks[0]["learned"]["memory"], alone["memory"], rtol=1e-4, atol=1e-5)
    assert "make_loss(..., group=torch.distributed.group.WORLD)" in ranks[0]["refused"]
