"""Packed texts go through a BERT as padded ones do."""

import copy
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

from text.model import Encoder, load_encoder
from text.model_attention import attention, dropout
from text.packed import hidden_states, obstacle
from text.tokens import Tokens

VOCABULARY, POSITIONS = 50, 24


def bert(seed=0, dropout=0.1, **changes):
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    config = BertConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=POSITIONS,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        **(shape | {"initializer_range": 0.3} | changes),  # far from linear
    )
    torch.manual_seed(seed)
    model = BertModel(config, add_pooling_layer=False)
    for parameter in model.parameters():  # biases are 0 and scales 1 otherwise
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()


def texts_of(lengths, seed=0):
    """Random tokens, 0 (padding's number) among them."""
    lengths = torch.tensor(lengths)
    ids = torch.randint(VOCABULARY, (int(lengths.sum()),), generator=torch.Generator().manual_seed(seed))
    return Tokens(ids.int(), functional.pad(lengths.cumsum(0), (1, 0)))


def padded_states(model, tokens):
    """What transformers gives for the padded batch, without the padding."""
    ids, is_token = tokens.padded()
    return model(input_ids=ids, attention_mask=is_token.long()).last_hidden_state[is_token]


LENGTHS = st.lists(st.integers(1, POSITIONS), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(lengths=LENGTHS, seed=st.integers(0, 3))
def test_hidden_states_are_those_of_padded_texts(lengths, seed):
    model, tokens = bert(seed), texts_of(lengths, seed)
    torch.testing.assert_close(
        hidden_states(model, tokens, torch.float32), padded_states(model, tokens), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("attention_of", ["equal lengths", "padded runs"])
def test_gradients_are_those_of_padded_texts(attention_of, monkeypatch):
    if attention_of == "padded runs":  # as on CUDA in float32
        from text import model_attention

        runs = model_attention._runs
        monkeypatch.setattr(model_attention, "_runs", lambda lengths, _, device: runs(lengths, 2.0, device))
    model = bert().double()
    tokens = texts_of([3, 4, 4, 6, 7, 20, 1, 1, 24])
    ways = []
    for states in (hidden_states(model, tokens, torch.float64), padded_states(model, tokens)):
        model.zero_grad()
        (states * torch.arange(states.numel()).view_as(states).cos()).sum().backward()
        gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
        ways.append({"states": states.detach()} | gradients)
    packed, padded = ways
    assert len(packed) > 30
    for name in padded:
        torch.testing.assert_close(packed[name], padded[name], atol=1e-10, rtol=1e-10, msg=name)


def test_texts_do_not_see_each_other():
    model, tokens = bert(), texts_of([5, 2, 5, 9])
    together = hidden_states(model, tokens, torch.float32).split(tokens.lengths.tolist())
    for i in range(len(tokens)):
        alone = hidden_states(model, tokens.take(torch.tensor([i])), torch.float32)
        torch.testing.assert_close(together[i], alone, atol=1e-5, rtol=0)


def test_bfloat16_is_near_and_its_gradients_are_float32():
    model, tokens = bert(), texts_of([5, 2, 5, 9])
    exact = hidden_states(model, tokens, torch.float32)
    rounded = hidden_states(model, tokens, torch.bfloat16)
    assert rounded.dtype == torch.bfloat16
    assert functional.cosine_similarity(rounded.float(), exact).min() > 0.999
    rounded.float().square().sum().backward()
    assert {parameter.grad.dtype for parameter in model.parameters()} == {torch.float32}


def test_autocast_outside_changes_nothing():
    model, tokens = bert(), texts_of([5, 2])
    with torch.autocast("cpu", torch.bfloat16):
        inside = hidden_states(model, tokens, torch.float32)
    assert torch.equal(inside, hidden_states(model, tokens, torch.float32))


def test_dropout_follows_the_generator_and_the_models_own_layers():
    model, tokens = bert(dropout=0.5).train(), texts_of([5, 2, 5, 9])

    def draw(seed):
        torch.manual_seed(seed)
        return hidden_states(model, tokens, torch.float32)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    still = copy.deepcopy(model)
    for layer in still.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    torch.testing.assert_close(hidden_states(still, tokens, torch.float32), padded_states(model.eval(), tokens))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_its_part_and_keeps_the_mean(p, dtype):
    torch.manual_seed(0)
    x = torch.ones(401, 1001, dtype=dtype, requires_grad=True)
    dropped = dropout(x, p)
    n, part = x.numel(), (dropped == 0).double().mean().item()
    assert part == pytest.approx(p, abs=5 * (p * (1 - p) / n) ** 0.5 + 2**-16)
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept.float(), torch.full_like(kept, 1 / (1 - p)).float(), rtol=1e-2, atol=0)
    dropped.sum().backward()
    assert torch.equal(x.grad, dropped.detach()), "the gradient passes where the entry did"
    neighbours = (dropped[:, 1:] == 0) & (dropped[:, :-1] == 0)
    assert neighbours.double().mean().item() == pytest.approx(p * p, abs=5e-3), "entries are independent"


def test_dropout_of_attention_keeps_its_mean():
    tokens = texts_of([6, 6, 3])
    qkv = torch.randn(15, 3 * 8, generator=torch.Generator().manual_seed(0))
    attend = attention(tokens, torch.float32, heads=2, head_dim=4)
    torch.manual_seed(0)
    mean = torch.stack([attend(qkv, 0.3) for _ in range(3000)]).mean(0)
    torch.testing.assert_close(mean, attend(qkv, 0.0), atol=0.06, rtol=0)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (bert(hidden_act="relu"), "activation"),
        (bert(is_decoder=True), "decoder"),
        (
            RobertaModel(RobertaConfig(vocab_size=9, hidden_size=8, num_attention_heads=2, num_hidden_layers=1)),
            "Roberta",
        ),
        (torch.nn.Linear(2, 2), "Linear"),
    ],
    ids=["relu", "decoder", "roberta", "linear"],
)
def test_other_models_are_told_apart(model, reason):
    assert obstacle(bert()) is None
    assert reason in obstacle(model)
    with pytest.raises(ValueError, match=reason):
        Encoder(model, attention="packed")


def test_an_adapter_in_place_of_a_linear_layer_is_seen():
    class Adapted(torch.nn.Linear):
        pass

    model = bert()
    model.encoder.layer[1].output.dense = Adapted(24, 16)
    assert "Adapted" in obstacle(model)


@pytest.mark.data
def test_real_weights_give_the_same():
    folder = Path(__file__).parents[2] / "data/all-MiniLM-L6-v2"
    if not folder.exists():
        pytest.skip(f"{folder} is not there; `make data/all-MiniLM-L6-v2` fetches it")
    packed, padded = (load_encoder(folder, attention=way).eval() for way in ("packed", "padded"))
    lengths = [7, 64, 12, 7, 180, 33]
    ids = torch.randint(30_000, (sum(lengths),), generator=torch.Generator().manual_seed(0)).int()
    tokens = Tokens(ids, functional.pad(torch.tensor(lengths).cumsum(0), (1, 0)))
    with torch.no_grad():
        a = hidden_states(packed.transformer, tokens, torch.float32)
        torch.testing.assert_close(a, padded_states(packed.transformer, tokens), atol=1e-5, rtol=0)
        torch.testing.assert_close(packed(tokens), padded(tokens), atol=1e-5, rtol=0)
        rounded = load_encoder(folder, precision="bfloat16").eval()(tokens)
    assert functional.cosine_similarity(rounded, packed(tokens).detach()).min() > 0.999


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_beside_a_gpu_states_and_gradients_are_those_of_a_cpu(dtype):
    shape = {"hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 96, "initializer_range": 0.05}
    reference = bert(**shape)
    model, tokens = copy.deepcopy(reference).cuda(), texts_of([3, 4, 4, 6, 7, 20, 1, 1, 24])
    expected = hidden_states(reference, tokens, torch.float32)
    expected.square().mean().backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        on_device = Tokens(tokens.ids.cuda(), tokens.offsets)
        states = hidden_states(model, on_device, dtype)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    states.float().square().mean().backward()
    near = {"atol": 1e-4, "rtol": 1e-4} if dtype == torch.float32 else {"atol": 0.1, "rtol": 0.1}
    torch.testing.assert_close(states.float().cpu(), expected, **near)
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        error = (ours.grad.cpu() - theirs.grad).norm() / theirs.grad.norm().clamp(min=1e-6)
        assert error < (1e-3 if dtype == torch.float32 else 0.1)
