"""Folders of encoders: what other libraries write is opened, what is written they open."""

import json
import shutil
import socket

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertForMaskedLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5EncoderModel,
)

from text.model import Encoder, build_encoder, load_encoder, save_model
from text.tokens import Tokens, build_tokenizer, build_vocabulary

TEXTS = ["open the socket", "close it", "a calendar of every turtle and of the thread that waits for it", ""]


@pytest.fixture
def tokenizer():
    return build_tokenizer(build_vocabulary(TEXTS, 200), 12)


def encoder_of(tokenizer, **changes):
    sizes = {
        "max_tokens": 12,
        "layers": 1,
        "hidden": 16,
        "heads": 2,
        "dropout": 0.1,
        "seed": 0,
        "intermediate": None,
    }
    return build_encoder(vocabulary_size=tokenizer.get_vocab_size(), **(sizes | changes)).eval()


def roberta(folder):
    """A folder of another family, with special tokens and a padding number of its own."""
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "open", "the", "socket", "close", "it", "a", "of"]
    tokenizer = Tokenizer(WordPiece({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.enable_truncation(12)
    special = {"bos": "<s>", "eos": "</s>", "cls": "<s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>"}
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        mask_token="<mask>",
        **{f"{name}_token": token for name, token in special.items()},
    )
    shape = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 16}
    config = RobertaConfig(vocab_size=len(names), max_position_embeddings=14, pad_token_id=1, **shape)
    torch.manual_seed(0)
    RobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.fixture
def offline(monkeypatch):
    def no_network(*_args, **_kwargs):
        raise AssertionError("a network was asked for")

    monkeypatch.setattr(socket.socket, "connect", no_network)


@pytest.mark.usefixtures("offline")
def test_a_saved_model_opens_without_this_project_and_without_a_network(tokenizer, tmp_path, capsys):
    encoder = encoder_of(tokenizer)
    save_model(tmp_path / "model", encoder, tokenizer)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""

    bert = AutoModel.from_pretrained(tmp_path / "model", add_pooling_layer=False)
    opened = AutoTokenizer.from_pretrained(tmp_path / "model")
    batch = opened(TEXTS, padding=True, truncation=True, return_tensors="pt")
    ids, is_token = Tokens.of(tokenizer, TEXTS).padded()
    assert torch.equal(batch["input_ids"], ids)
    assert torch.equal(batch["attention_mask"].bool(), is_token)
    tokens = Tokens.of(tokenizer, TEXTS)
    assert torch.equal(Encoder(bert).eval()(tokens), encoder(tokens))


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_sentence_transformers_gives_the_same_embeddings(tokenizer, tmp_path, pooling):
    library = pytest.importorskip("sentence_transformers")
    encoder = encoder_of(tokenizer, layers=2, pooling=pooling)
    save_model(tmp_path / "model", encoder, tokenizer)
    theirs = library.SentenceTransformer(str(tmp_path / "model"), device="cpu")
    assert theirs.max_seq_length == 12
    ours = encoder(Tokens.of(tokenizer, TEXTS)).detach()
    encoded = theirs.encode(TEXTS, convert_to_tensor=True, show_progress_bar=False)
    torch.testing.assert_close(encoded, ours, atol=1e-5, rtol=0)

    theirs.save(str(tmp_path / "theirs"), create_model_card=False)  # in its own notation
    again = load_encoder(tmp_path / "theirs").eval()
    assert again.pooling == pooling
    torch.testing.assert_close(again(Tokens.of(tokenizer, TEXTS)), ours, atol=1e-5, rtol=0)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_saved_model_is_loaded_as_it_was(tokenizer, tmp_path, pooling):
    encoder = encoder_of(tokenizer, pooling=pooling)
    save_model(tmp_path / "model", encoder, tokenizer)
    again = load_encoder(tmp_path / "model", max_tokens=12).eval()
    assert again.pooling == pooling
    assert load_encoder(tmp_path / "model", pooling="mean").pooling == "mean"
    assert again.state_dict().keys() == encoder.state_dict().keys()
    assert torch.equal(again(Tokens.of(tokenizer, TEXTS)), encoder(Tokens.of(tokenizer, TEXTS)))


def test_fresh_weights_come_from_the_seed(tokenizer, tmp_path):
    encoder = encoder_of(tokenizer)
    save_model(tmp_path / "model", encoder, tokenizer)
    key = "transformer.embeddings.word_embeddings.weight"
    one, again, two = (load_encoder(tmp_path / "model", fresh=True, seed=s).state_dict()[key] for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, two)
    assert not torch.equal(one, encoder.state_dict()[key])
    assert load_encoder(tmp_path / "model", fresh=True).pooling == "mean"


def test_dropout_is_the_models_own_or_the_one_asked_for(tokenizer, tmp_path):
    save_model(tmp_path / "model", encoder_of(tokenizer), tokenizer)

    def dropouts(**changes):
        modules = load_encoder(tmp_path / "model", **changes).modules()
        return {module.p for module in modules if isinstance(module, torch.nn.Dropout)}

    assert dropouts() == {0.1}
    assert dropouts(dropout=0.25) == {0.25}
    assert dropouts(dropout=0.0, fresh=True) == {0.0}


def test_another_family_keeps_its_tokeniser_and_its_padding(tmp_path):
    library = pytest.importorskip("sentence_transformers")
    tokenizer = roberta(tmp_path / "roberta")
    encoder = load_encoder(tmp_path / "roberta", pooling="cls").eval()
    assert encoder.max_tokens == 12
    assert not encoder.is_packed
    save_model(tmp_path / "model", encoder, tokenizer, source=tmp_path / "roberta")

    opened = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert (opened.pad_token, opened.cls_token, opened.eos_token) == ("<pad>", "<s>", "</s>")
    assert opened(TEXTS, truncation=True)["input_ids"] == [
        encoding.ids for encoding in tokenizer.encode_batch(TEXTS)
    ]
    theirs = library.SentenceTransformer(str(tmp_path / "model"), device="cpu")
    torch.testing.assert_close(
        theirs.encode(TEXTS, convert_to_tensor=True, show_progress_bar=False),
        encoder(Tokens.of(tokenizer, TEXTS)).detach(),
        atol=1e-5,
        rtol=0,
    )


def test_heads_for_other_tasks_are_left_behind_in_silence(tokenizer, tmp_path, capsys):
    encoder = encoder_of(tokenizer)
    whole = BertForMaskedLM(encoder.transformer.config)
    whole.save_pretrained(tmp_path)
    capsys.readouterr()
    loaded = load_encoder(tmp_path)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
    for name, parameter in loaded.transformer.named_parameters():
        assert torch.equal(parameter, whole.bert.get_parameter(name)), name


@pytest.mark.parametrize(
    ("layers", "what"), [(2, "missing"), (0, "left over")], ids=["a layer too few", "a layer too many"]
)
def test_weights_that_do_not_fit_the_configuration_are_refused(tokenizer, tmp_path, layers, what):
    save_model(tmp_path / "model", encoder_of(tokenizer), tokenizer)
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_hidden_layers": layers}))
    with pytest.raises(ValueError, match=what):
        load_encoder(tmp_path / "model")


def test_folders_without_an_encoder_are_refused(tokenizer, tmp_path):
    with pytest.raises(ValueError, match="nothing is there"):
        load_encoder(tmp_path / "missing")
    with pytest.raises(ValueError, match=r"no .*config\.json"):
        load_encoder(tmp_path)
    save_model(tmp_path / "model", encoder_of(tokenizer), tokenizer)
    with pytest.raises(ValueError, match="at most 12"):
        load_encoder(tmp_path / "model", max_tokens=13)
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="encoder that transformers opens"):
        load_encoder(tmp_path / "model")
    assert load_encoder(tmp_path / "model", fresh=True).max_tokens == 12, "needs no weights"
    config = T5Config(vocab_size=9, d_model=8, d_kv=4, num_heads=2, num_layers=1, d_ff=8)
    T5EncoderModel(config).save_pretrained(tmp_path / "t5")
    with pytest.raises(ValueError, match="decoder"):
        load_encoder(tmp_path / "t5")


@pytest.mark.parametrize("notation", [{"pooling_mode": "max"}, {"pooling_mode_max_tokens": True}, {}])
def test_other_poolings_and_modules_are_refused(tokenizer, tmp_path, notation):
    save_model(tmp_path / "model", encoder_of(tokenizer), tokenizer)
    (tmp_path / "model" / "1_Pooling" / "config.json").write_text(json.dumps(notation))
    with pytest.raises(ValueError, match="mean or cls"):
        load_encoder(tmp_path / "model")
    modules = json.loads((tmp_path / "model" / "modules.json").read_text())
    modules[1]["type"] = "sentence_transformers.models.Dense"
    (tmp_path / "model" / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ValueError, match="got Dense"):
        load_encoder(tmp_path / "model")


def test_an_older_model_is_replaced_all_at_once(tokenizer, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    save_model(folder, encoder_of(tokenizer, seed=1), tokenizer)
    before = load_encoder(folder)
    newer = encoder_of(tokenizer, seed=2)

    def fails(*_args, **_kwargs):
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(PreTrainedTokenizerFast, "save_pretrained", fails)
        with pytest.raises(OSError, match="disk full"):
            save_model(folder, newer, tokenizer)
    tokens = Tokens.of(tokenizer, TEXTS)
    assert torch.equal(load_encoder(folder).eval()(tokens), before.eval()(tokens))
    save_model(folder, newer, tokenizer)
    assert torch.equal(load_encoder(folder).eval()(tokens), newer(tokens))
    assert [path.name for path in tmp_path.iterdir()] == ["model"], "nothing else is left"


def test_a_folder_of_other_things_is_not_replaced(tokenizer, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="choose another name"):
        save_model(tmp_path, encoder_of(tokenizer), tokenizer)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    shutil.rmtree(tmp_path)
    save_model(tmp_path, encoder_of(tokenizer), tokenizer)
    assert (tmp_path / "modules.json").exists()
