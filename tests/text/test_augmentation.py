"""Words are deleted, swapped and replaced whole; what becomes of a text depends on its row, not on its batch."""

import itertools
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from text.augmentation import Augmentation, augmented
from text.tokens import Tokens
from text.words import Words

CLS, SEP, FIRST_WORD, FIRST_REST, SIZE = 0, 1, 10, 60, 80
"""Numbers 10 to 59 begin words, 60 to 79 continue them, below are special ones."""
CALL = {"seed": 5, "purpose": "augmentation", "counter": 3}


def a_vocabulary(replacements=(50, 51, 52)):
    number = torch.arange(SIZE)
    return Words(
        begins=(number >= FIRST_WORD) & (number < FIRST_REST),
        special=number < FIRST_WORD,
        replacements=torch.tensor(replacements, dtype=torch.int64),
        probability=torch.arange(1, len(replacements) + 1).double() / max(len(replacements), 1),
    )


def packed(lists):
    ids = torch.tensor([number for numbers in lists for number in numbers], dtype=torch.int32)
    return Tokens(ids, torch.tensor([0, *map(len, lists)]).cumsum(0))


def unpacked(tokens):
    ends = tokens.offsets.tolist()
    return [tokens.ids[a:b].tolist() for a, b in itertools.pairwise(ends)]


def changed(lists, rows=None, words=None, **probabilities):
    rows = torch.arange(len(lists)) if rows is None else torch.tensor(rows, dtype=torch.int64)
    augmentation = Augmentation(**probabilities)
    return unpacked(augmented(packed(lists), augmentation, words_of=words or a_vocabulary(), rows=rows, **CALL))


def pieces(ids):
    """A text as tuples of tokens: words and special ones."""
    found = []
    for number in ids:
        if number >= FIRST_REST and found and found[-1][0] >= FIRST_WORD:
            found[-1] += (number,)
        else:
            found.append((number,))
    return found


def is_word(piece):
    return piece[0] >= FIRST_WORD


def words_in(ids):
    return [piece for piece in pieces(ids) if is_word(piece)]


def specials(ids):
    return [number for number in ids if number < FIRST_WORD]


def sentences(n, n_words):
    """Texts of as many words, of two tokens each, all of them different in a text."""
    return [[CLS, *itertools.chain(*((FIRST_WORD + i, FIRST_REST) for i in range(n_words))), SEP] for _ in range(n)]


WORD = st.tuples(st.integers(FIRST_WORD, FIRST_WORD + 9), st.lists(st.integers(FIRST_REST, SIZE - 1), max_size=2))
PIECE = st.one_of(WORD.map(lambda word: [word[0], *word[1]]), st.integers(2, FIRST_WORD - 1).map(lambda ids: [ids]))
TEXTS = st.lists(
    st.lists(PIECE, max_size=8).map(lambda parts: [CLS, *itertools.chain(*parts), SEP]), min_size=1, max_size=5
)
ODDS = st.sampled_from([0.0, 0.2, 0.7, 1.0])


@settings(deadline=None, max_examples=40)
@given(TEXTS, ODDS)
def test_swapping_moves_whole_words_by_one_place(lists, swap):
    for before, after in zip(lists, changed(lists, swap=swap), strict=True):
        old, new = words_in(before), words_in(after)
        assert Counter(old) == Counter(new)
        assert [is_word(piece) for piece in pieces(before)] == [is_word(piece) for piece in pieces(after)]
        assert specials(before) == specials(after)
        i = 0
        while i < len(old):
            step = 1 if old[i] == new[i] else 2
            assert new[i : i + step] == old[i : i + step][::-1]
            i += step


@settings(deadline=None, max_examples=40)
@given(TEXTS, ODDS)
def test_deleting_keeps_the_order_and_one_word(lists, delete):
    for before, after in zip(lists, changed(lists, delete=delete), strict=True):
        old = iter(pieces(before))
        assert all(piece in old for piece in pieces(after)), "a subsequence, in whole words"
        assert specials(before) == specials(after)
        assert len(words_in(after)) >= min(1, len(words_in(before)))
        if delete == 1:
            assert len(words_in(after)) == min(1, len(words_in(before)))


@settings(deadline=None, max_examples=40)
@given(TEXTS, ODDS)
def test_replacing_puts_words_of_one_token_in_the_place_of_words(lists, replace):
    for before, after in zip(lists, changed(lists, replace=replace), strict=True):
        assert specials(before) == specials(after)
        old, new = pieces(before), pieces(after)
        assert len(old) == len(new)
        for a, b in zip(old, new, strict=True):
            assert a == b or (is_word(a) and b in {(50,), (51,), (52,)})
            assert replace < 1 or not is_word(a) or b in {(50,), (51,), (52,)}


@settings(deadline=None, max_examples=40)
@given(TEXTS, ODDS, ODDS, ODDS, st.randoms(use_true_random=False))
def test_a_text_is_changed_in_the_same_way_in_whichever_batch(lists, delete, swap, replace, random):
    odds = {"delete": delete, "swap": swap, "replace": replace}
    together = changed(lists, rows=range(7, 7 + len(lists)), **odds)
    assert all(len(after) <= len(before) for before, after in zip(lists, together, strict=True))
    for i, ids in enumerate(lists):
        assert changed([ids], rows=[7 + i], **odds) == [together[i]]
    order = random.sample(range(len(lists)), len(lists))
    again = changed([lists[i] for i in order], rows=[7 + i for i in order], **odds)
    assert again == [together[i] for i in order]


def test_other_rows_seeds_purposes_and_counters_change_a_text_otherwise():
    text, words = packed(sentences(1, 30)), a_vocabulary()
    augmentation = Augmentation(delete=0.2, swap=0.2, replace=0.2)

    def change(row=0, **call):
        tokens = augmented(text, augmentation, words_of=words, rows=torch.tensor([row]), **(CALL | call))
        return tuple(tokens.ids.tolist())

    assert change() == change()
    assert len({change(), change(row=1), change(seed=6), change(purpose="second view"), change(counter=4)}) == 5


def test_the_three_are_drawn_independently():
    alone = changed(sentences(1, 30), delete=0.5)[0]
    both = changed(sentences(1, 30), delete=0.5, replace=0.5)[0]
    assert len(words_in(alone)) == len(words_in(both)), "the same words are deleted"
    replaced = [a != b for a, b in zip(words_in(alone), words_in(both), strict=True)]
    assert any(replaced)
    assert not all(replaced)


@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_words_are_changed_as_often_as_asked_for(probability):
    n, n_words = 400, 30
    before = sentences(n, n_words)
    pairs = n * (n_words - 1) / 2  # 15 pairs in a text, or 14 with the first and the last word left over
    deleted = n * n_words - sum(len(words_in(ids)) for ids in changed(before, delete=probability))
    replaced = sum(len(word) == 1 for ids in changed(before, replace=probability) for word in words_in(ids))
    moved = sum(
        a != b
        for old, new in zip(before, changed(before, swap=probability), strict=True)
        for a, b in zip(words_in(old), words_in(new), strict=True)
    )
    for count, trials in ((deleted, n * n_words), (replaced, n * n_words), (moved / 2, pairs)):
        spread = (trials * probability * (1 - probability)) ** 0.5
        assert abs(count - trials * probability) < 5 * spread


def test_any_two_neighbours_may_change_places():
    swapped = Counter(
        a
        for ids in changed(sentences(200, 5), swap=1.0)
        for a, b in itertools.pairwise(word[0] - FIRST_WORD for word in words_in(ids))
        if b == a - 1
    )
    assert set(swapped) == {1, 2, 3, 4}
    assert all(60 < count < 140 for count in swapped.values()), "a coin decides for each text"


def test_what_continues_nothing_is_a_word_of_its_own():
    headless = [[CLS, 60, 61, 10, 62, 2, 63, SEP], [64, 11]]
    after = {tuple(map(tuple, changed(headless, rows=[i, i], swap=1.0))) for i in range(20)}
    assert {texts[0] for texts in after} == {
        (CLS, 10, 62, 60, 61, 2, 63, SEP),
        (CLS, 60, 61, 63, 2, 10, 62, SEP),
    }, "words change places across a special token, which keeps its own"
    assert {texts[1] for texts in after} == {(64, 11), (11, 64)}


def test_the_identity_returns_the_same_object():
    assert Augmentation().is_identity
    assert not Augmentation(swap=0.1).is_identity
    tokens, nothing = packed(sentences(2, 3)), packed([])
    for of, augmentation in ((tokens, Augmentation()), (nothing, Augmentation(delete=0.5))):
        assert augmented(of, augmentation, words_of=a_vocabulary(()), rows=torch.arange(len(of)), **CALL) is of


def test_tokens_keep_their_type_and_the_batch_is_left_alone():
    tokens = packed(sentences(2, 9))
    before = tokens.ids.clone()
    after = augmented(tokens, Augmentation(0.5, 0.5, 0.5), words_of=a_vocabulary(), rows=torch.arange(2), **CALL)
    assert torch.equal(tokens.ids, before)
    assert (after.ids.dtype, after.offsets.dtype) == (torch.int32, torch.int64)


def test_bad_input_is_refused():
    for odds in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"swap must be a probability from 0 to 1, got"):
            Augmentation(swap=odds)
    with pytest.raises(ValueError, match="rows must hold a number for each of 2 texts, got 1"):
        changed(sentences(2, 3), rows=[0], delete=0.5)
    with pytest.raises(ValueError, match="replace needs texts with words of one token"):
        changed(sentences(2, 3), words=a_vocabulary(()), replace=0.5)


@pytest.mark.gpu
def test_a_gpu_changes_texts_as_a_cpu_does():
    tokens, rows = packed(sentences(20, 9)), torch.arange(20)
    augmentation = Augmentation(delete=0.3, swap=0.3, replace=0.3)
    expected = augmented(tokens, augmentation, words_of=a_vocabulary(), rows=rows, **CALL)
    found = augmented(
        tokens.to("cuda"), augmentation, words_of=a_vocabulary().to("cuda"), rows=rows.to("cuda"), **CALL
    )
    assert (found.ids.device.type, found.offsets.device.type) == ("cuda", "cpu")
    assert unpacked(found) == unpacked(expected)
