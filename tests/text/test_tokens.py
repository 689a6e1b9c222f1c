"""Word pieces depend on the training texts alone; texts lie one after the other until somebody pads them."""

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from text import tokens as module
from text.tokens import LAST, SPECIAL, UNKNOWN, Tokens, build_tokenizer, build_vocabulary, load_tokenizer

ROOT = Path(__file__).parents[2]
TEXTS = [
    "Open the socket, then close the socket.",
    "Opening and closing sockets; opened, closed.",
    "Réading the CALENDAR: reading, printing and encoding.",
]


def pieces(text, size=200, max_tokens=64):
    return build_tokenizer(build_vocabulary(TEXTS, size), max_tokens).encode(text).tokens


def test_special_tokens_then_characters_then_frequent_words_then_endings():
    vocabulary = build_vocabulary(TEXTS, 200)
    names = list(vocabulary)
    assert list(vocabulary.values()) == list(range(len(names)))
    assert tuple(names[:5]) == SPECIAL
    letters = [name for name in names[5:] if len(name) == 1]
    assert letters == sorted(letters)
    assert names[5 : 5 + 2 * len(letters)] == letters + [f"##{c}" for c in letters]
    rest = names[5 + 2 * len(letters) :]
    assert rest[:2] == ["the", "and"], "3 and 2 times"
    assert rest.index("socket") < rest.index("calendar"), "equal counts go by the alphabet, larger ones first"


def test_frequent_words_stay_whole_and_rare_ones_are_spelled():
    assert pieces("The Socket") == ["[CLS]", "the", "socket", LAST]
    spelled = pieces("printing", size=60)[1:-1]
    assert "".join(spelled).replace("##", "") == "printing"
    assert spelled[0] == "p"
    assert spelled[-1] == "##ing", "one of the endings that found room"


@pytest.mark.parametrize("size", [70, 80, 120, 10_000])
def test_every_training_text_can_be_spelled_out_with_at_most_so_many_pieces(size):
    vocabulary = build_vocabulary(TEXTS, size)
    assert len(vocabulary) <= size
    assert len(set(vocabulary)) == len(vocabulary)
    for text in TEXTS:
        assert UNKNOWN not in build_tokenizer(vocabulary, 100).encode(text).tokens


def test_case_and_accents_make_no_difference():
    assert pieces("RÉADING") == pieces("reading")


def test_what_training_never_showed_is_unknown():
    assert pieces("§") == ["[CLS]", UNKNOWN, LAST]


def test_long_texts_are_cut():
    cut = pieces(" ".join(TEXTS), max_tokens=6)
    assert len(cut) == 6
    assert cut[:5] == pieces(" ".join(TEXTS))[:5]
    assert cut[-1] == LAST


def test_the_same_texts_give_the_same_pieces_in_every_process():
    program = f"import json; from text.tokens import build_vocabulary as b; print(json.dumps(b({TEXTS!r}, 100)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert list(json.loads(done.stdout)) == list(build_vocabulary(TEXTS, 100))


def test_too_small_a_vocabulary_is_refused():
    with pytest.raises(ValueError, match=r"vocabulary_size must be at least \d+ here, .* got 10"):
        build_vocabulary(TEXTS, 10)


@settings(deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from("aB é.,-\n\t\x00\x0b\x85\xa0\u2028\u3000Σς日İ\u0301#[]"), max_size=12), max_size=6
    )
)
def test_words_are_counted_as_if_each_text_were_split_alone(texts):
    normalizer, splitter = BertNormalizer(lowercase=True), BertPreTokenizer()
    words = [word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))]
    assert module._word_counts(texts) == {word: words.count(word) for word in words}


# ---- tokenisers of models ----


@pytest.fixture
def saved(tmp_path):
    """A tokeniser as a model's folder holds it, with truncation and padding of its own."""
    tokenizer = build_tokenizer(build_vocabulary(TEXTS, 200), 4)
    tokenizer.enable_padding(length=7)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_a_models_tokeniser_cuts_where_it_is_told_and_pads_nothing(saved):
    expected = build_tokenizer(build_vocabulary(TEXTS, 200), 6).encode(TEXTS[0]).tokens
    loaded = load_tokenizer(saved, 6)
    assert loaded.encode(TEXTS[0]).tokens == expected
    assert loaded.encode("socket").tokens == ["[CLS]", "socket", LAST]


def test_a_vocabulary_alone_is_left_to_transformers(tmp_path):
    vocabulary = build_vocabulary(TEXTS, 200)
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true}')
    loaded = load_tokenizer(tmp_path, 6)
    for text in ["", *TEXTS]:
        assert loaded.encode(text).ids == build_tokenizer(vocabulary, 6).encode(text).ids


def test_a_folder_without_a_tokeniser_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"must hold a fast tokeniser .* save the model together with its tokeniser"
    ):
        load_tokenizer(tmp_path, 6)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="must hold a fast tokeniser"):
        load_tokenizer(tmp_path, 6)


def test_special_tokens_need_room(saved):
    with pytest.raises(ValueError, match=r"max_tokens must be at least 3, as 2 special tokens .* got 2"):
        load_tokenizer(saved, 2)
    assert load_tokenizer(saved, 3).encode(TEXTS[0]).tokens == ["[CLS]", "open", LAST]


# ---- packed tokens ----

IDS = st.lists(st.lists(st.integers(1, 99), max_size=5), max_size=6)


def packed(lists, folder=None):
    ids = torch.tensor([number for numbers in lists for number in numbers], dtype=torch.int32)
    if folder is not None and len(ids):
        np.save(folder / "ids.npy", ids.numpy())
        ids = torch.from_numpy(np.load(folder / "ids.npy", mmap_mode="c"))
    return Tokens(ids, torch.tensor([0, *map(len, lists)]).cumsum(0))


def unpacked(tokens):
    ends = tokens.offsets.tolist()
    return [tokens.ids[a:b].tolist() for a, b in pairwise(ends)]


def test_texts_lie_one_after_the_other():
    tokenizer = build_tokenizer(build_vocabulary(TEXTS, 200), 64)
    tokens = Tokens.of(tokenizer, [*TEXTS, "", "socket"])
    assert unpacked(tokens) == [encoding.ids for encoding in tokenizer.encode_batch([*TEXTS, "", "socket"])]
    assert len(tokens) == 5
    assert tokens.lengths[-2:].tolist() == [2, 3]
    assert tokens.longest == max(tokens.lengths.tolist())
    assert (tokens.ids.dtype, tokens.offsets.dtype) == (torch.int32, torch.int64)


def test_there_may_be_no_text_but_none_without_tokens():
    tokenizer = build_tokenizer(build_vocabulary(TEXTS, 200), 64)
    assert len(Tokens.of(tokenizer, [])) == Tokens.of(tokenizer, []).longest == 0
    with pytest.raises(ValueError, match=r"text 1 \(''\) gives none"):
        Tokens.of(Tokenizer(BPE({"a": 0}, [])), ["a", ""])


@settings(deadline=None)
@given(IDS, st.data())
def test_taking_is_that_of_lists(tmp_path_factory, lists, data):
    rows = st.lists(st.integers(0, len(lists) - 1), max_size=8) if lists else st.just([])
    index, folder = data.draw(rows), tmp_path_factory.getbasetemp()
    for tokens in (packed(lists), packed(lists, folder)):
        taken = tokens.take(torch.tensor(index, dtype=torch.int64))
        assert unpacked(taken) == [lists[i] for i in index]
        assert taken.ids.dtype == torch.int32
        assert unpacked(tokens) == lists


def test_the_last_texts_may_be_counted_from_the_end():
    assert unpacked(packed([[1, 2], [3], [4, 5, 6]]).take(torch.tensor([-1, 0, -3]))) == [[4, 5, 6], [1, 2], [1, 2]]


def test_taking_costs_what_is_taken():
    """Ten of ten million texts: nothing is made for the others."""
    n = 10_000_000
    tokens = Tokens(torch.zeros(n, dtype=torch.int32), torch.arange(n + 1))
    index = torch.arange(0, n, n // 10)
    tokens.take(index)
    start = time.process_time()
    for _ in range(20):
        tokens.take(index)
    assert time.process_time() - start < 0.1  # 1 ms; a look at each would take a second


@settings(deadline=None)
@given(st.lists(IDS, min_size=1, max_size=4))
def test_joining_is_that_of_lists(parts):
    assert unpacked(Tokens.join([packed(part) for part in parts])) == [
        numbers for part in parts for numbers in part
    ]


@settings(deadline=None)
@given(IDS)
def test_texts_are_padded_to_the_longest(lists):
    ids, is_token = packed(lists).padded()
    longest = max(map(len, lists), default=0)
    assert ids.shape == is_token.shape == (len(lists), longest)
    assert ids.dtype == torch.int64
    assert ids.tolist() == [numbers + [0] * (longest - len(numbers)) for numbers in lists]
    assert is_token.tolist() == [[i < len(numbers) for i in range(longest)] for numbers in lists]


@pytest.mark.gpu
def test_on_a_gpu_the_offsets_stay_on_the_host():
    tokens = packed([[1, 2], [3], [4, 5, 6]])
    moved = tokens.to("cuda")
    assert (moved.ids.device.type, moved.offsets.device.type) == ("cuda", "cpu")
    for index in ([2, 0], []):
        taken = moved.take(torch.tensor(index, dtype=torch.int64, device="cuda"))
        assert unpacked(taken) == unpacked(tokens.take(torch.tensor(index, dtype=torch.int64)))
        assert all(torch.equal(a.cpu(), b) for a, b in zip(taken.padded(), taken.to("cpu").padded(), strict=True))
