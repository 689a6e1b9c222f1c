"""Word pieces depend on the training texts alone; a batch is as wide as its longest text."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from text.tokens import LAST, SPECIAL, UNKNOWN, Tokens, build_tokenizer, build_vocabulary

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


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_same_texts_give_the_same_pieces_in_every_process(hash_seed):
    program = f"import json; from text.tokens import build_vocabulary as b; print(json.dumps(b({TEXTS!r}, 100)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert list(json.loads(done.stdout)) == list(build_vocabulary(TEXTS, 100))


def test_too_small_a_vocabulary_is_refused():
    with pytest.raises(ValueError, match=r"vocabulary_size must be at least \d+ here, .* got 10"):
        build_vocabulary(TEXTS, 10)


def test_a_batch_is_padded_to_its_longest_text():
    tokenizer = build_tokenizer(build_vocabulary(TEXTS, 200), 64)
    tokens = Tokens.of(tokenizer, [*TEXTS, "", "socket"])
    lists = [encoding.ids for encoding in tokenizer.encode_batch([*TEXTS, "", "socket"])]
    assert len(tokens) == 5
    for index in ([4, 3], [0, 4, 2], [1], [3, 3]):
        ids, is_token = tokens.batch(torch.tensor(index))
        longest = max(len(lists[i]) for i in index)
        assert ids.tolist() == [lists[i] + [0] * (longest - len(lists[i])) for i in index]
        assert is_token.sum(1).tolist() == [len(lists[i]) for i in index]
        assert torch.equal(is_token, is_token.sort(dim=1, descending=True).values), "tokens first, padding last"
