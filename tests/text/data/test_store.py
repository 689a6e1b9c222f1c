"""Data sets are parsed once and texts tokenised once: mapped, not read; made again when anything changes."""

import json
import logging
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from text.data import Lists, Texts, TextSet, folders, store
from text.data.store import cached, digest, tokenised
from text.tokens import build_tokenizer, build_vocabulary

ROOT = Path(__file__).parents[3]
WORDS = ["socket", "mailbox", "über", "日本", "queue", "", "a \n b"]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data.tsv"
    path.write_text("one\ntwo\n")
    return path


@pytest.fixture
def tokenizer():
    return build_tokenizer(build_vocabulary(WORDS, 200), 16)


@pytest.fixture
def small(monkeypatch):
    """Files for few texts, in blocks of three."""
    monkeypatch.setattr(store, "_SMALL", 2)
    monkeypatch.setattr(store, "_TEXTS_AT_ONCE", 3)


def a_set(**changes):
    parts = {
        "name": "tiny train",
        "queries": Texts.of(["où?", ""]),
        "passages": Texts.of(["here", "日本", "there"]),
        "query_ids": Texts.of(["q1", "q2"]),
        "passage_ids": Texts.of(["1", "2", "3"]),
        "relevant": Lists.of([[2, 0], []], [[2.0, 1.0], []]),
        "negatives": Lists.of([[], [1]]),
        "skipped": {"empty passages": 3},
    }
    return TextSet(**(parts | changes))


class Build:
    """Reads a set, and counts how often it was asked to."""

    def __init__(self, **changes):
        self.calls, self.changes = 0, changes

    def __call__(self):
        self.calls += 1
        return a_set(**self.changes)


def contents(texts):
    lists = {
        name: None if part is None else [part[i].tolist() for i in range(len(part))]
        for name in ("relevant", "negatives", "candidates")
        for part in [getattr(texts, name)]
    }
    strings = {name: list(getattr(texts, name)) for name in ("queries", "passages", "query_ids", "passage_ids")}
    arrays = {
        name: None if array is None else array.tolist()
        for name, array in (("grades", texts.relevant.grades), ("own", texts.own))
    }
    rest = {name: getattr(texts, name) for name in ("skipped", "threshold", "ranked")}
    return lists | strings | arrays | rest


def is_mapped(array):
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, np.memmap)


# ---- parsed data sets ----


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"relevant": Lists.of([[0], [1, 2]])},
        {"negatives": None, "candidates": Lists.of([[0, 1, 2], [2]])},
        {"threshold": 1.0, "ranked": False, "own": np.array([-1, 2])},
        {"queries": Texts.of([]), "query_ids": Texts.of([]), "relevant": Lists.of([]), "negatives": None},
    ],
)
def test_a_set_comes_back_as_it_was_built(file, tmp_path, changes):
    build = Build(**changes)
    first, second = (cached(tmp_path / "cache", "tiny train", [file], {}, build) for _ in range(2))
    assert build.calls == 1
    for texts in (first, second):
        assert contents(texts) == contents(build())
        assert texts.name == "tiny train"
        assert digest(texts) == digest(build())
        assert is_mapped(texts.passages.content)


def test_what_says_how_a_set_counts_is_in_its_digest_where_it_is_not_as_usual():
    sets = [{}, {"threshold": 1.0}, {"ranked": False}, {"own": np.array([-1, 2])}, {"own": np.array([2, -1])}]
    assert len({digest(a_set(**changes)) for changes in sets}) == len(sets)
    assert digest(a_set(threshold=0.0, ranked=True, own=None)) == digest(a_set())


def test_the_manifest_says_what_it_is(file, tmp_path):
    cached(tmp_path / "cache", "tiny train", [file], {"on_problem": "skip", "also": file}, Build())
    (folder,) = (tmp_path / "cache").iterdir()
    assert folder.name.startswith("tiny-train-")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["files"] == {"../data.tsv": [8, file.stat().st_mtime_ns]}
    assert manifest["settings"] == {"on_problem": "skip", "also": str(file)}
    assert manifest["counts"] == {"queries": 2, "passages": 3}
    assert manifest["skipped"] == {"empty passages": 3}
    assert manifest["sha256"] == digest(a_set())
    assert np.load(folder / "relevant.items.npy").tolist() == [2, 0]


@pytest.mark.parametrize("change", ["write", "touch", "remove a file", "damage", "truncate", "no json", "version"])
def test_it_is_made_again_when_something_has_changed(file, tmp_path, change, monkeypatch):
    second = tmp_path / "more.tsv"
    second.write_text("three")
    build, files = Build(), [file, second]
    cached(tmp_path / "cache", "tiny", files, {}, build)
    (folder,) = (tmp_path / "cache").iterdir()
    if change == "write":
        file.write_text("one\ntwo\nthree\n")
    elif change == "touch":
        os.utime(file, ns=(0, 0))
    elif change == "remove a file":
        files = [file]
    elif change == "damage":
        np.save(folder / "relevant.items.npy", np.zeros(5, np.int64))
    elif change == "truncate":
        os.truncate(folder / "passages.content.npy", 130)
    elif change == "no json":
        (folder / "manifest.json").write_text("[]")
    else:
        monkeypatch.setattr(folders, "_VERSION", 99)
    for _ in range(2):
        assert contents(cached(tmp_path / "cache", "tiny", files, {}, build)) == contents(a_set())
    assert build.calls == 2
    assert not [path for path in (tmp_path / "cache").iterdir() if path.name.startswith(".")], (
        "nothing is left over"
    )


def test_other_settings_live_side_by_side(file, tmp_path):
    build = Build()
    for _ in range(2):
        for problem in ("refuse", "skip"):
            cached(tmp_path / "cache", "tiny", [file], {"on_problem": problem}, build)
    assert build.calls == 2


def test_data_and_cache_may_move_together(file, tmp_path):
    build = Build()
    (tmp_path / "old").mkdir()
    moved = file.rename(tmp_path / "old" / file.name)
    cached(tmp_path / "old/cache", "tiny", [moved], {}, build)
    (tmp_path / "old").rename(tmp_path / "new")
    cached(tmp_path / "new/cache", "tiny", [tmp_path / "new" / file.name], {}, build)
    assert build.calls == 1


def test_without_a_cache_or_files_it_stays_in_memory(file, tmp_path):
    build = Build()
    for cache, files in ((None, [file]), (tmp_path / "cache", [])):
        assert not is_mapped(cached(cache, "tiny", files, {}, build).passages.content)
    assert build.calls == 2
    assert not (tmp_path / "cache").exists()


def test_writing_to_an_array_leaves_the_file_alone(file, tmp_path):
    cached(tmp_path / "cache", "tiny", [file], {}, Build()).passages.content[:] = 65
    assert cached(tmp_path / "cache", "tiny", [file], {}, Build()).passages[0] == "here"


def test_where_it_cannot_be_written_it_stays_in_memory(file, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file, no folder")
    build = Build()
    with caplog.at_level(logging.INFO, "contrabatch"):
        assert contents(cached(tmp_path / "cache", "tiny", [file], {}, build)) == contents(a_set())
    assert build.calls == 1
    assert "cannot be written" in caplog.text
    assert "tiny stays in memory" in caplog.text


def test_missing_files_and_errors_of_the_reader_come_through(file, tmp_path):
    with pytest.raises(ValueError, match=r"no\.tsv must be a file that can be read"):
        cached(tmp_path / "cache", "tiny", [tmp_path / "no.tsv"], {}, Build())

    def refuse():
        raise ValueError("line 3 must have two columns")

    with pytest.raises(ValueError, match="line 3"):
        cached(tmp_path / "cache", "tiny", [file], {}, refuse)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("moment", ["building", "renaming"])
def test_a_faster_process_does_no_harm(file, tmp_path, moment, monkeypatch):
    def make(build=a_set):
        return cached(tmp_path / "cache", "tiny", [file], {}, build)

    def overtaken():
        make()
        return a_set()

    rename = Path.rename

    def late(path, target):
        if target.name.startswith("tiny") and not target.exists():
            monkeypatch.setattr(Path, "rename", rename)
            make()
        return rename(path, target)

    if moment == "renaming":
        monkeypatch.setattr(Path, "rename", late)
    assert contents(make(overtaken if moment == "building" else a_set)) == contents(a_set())
    assert contents(make(lambda: pytest.fail("it was there"))) == contents(a_set())
    assert len(list((tmp_path / "cache").iterdir())) == 1


# ---- tokens ----


def lists(tokens):
    ends = tokens.offsets.tolist()
    return [tokens.ids[a:b].tolist() for a, b in pairwise(ends)]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("n", [2, 3, 7])
def test_tokens_are_those_of_the_tokenizer_stored_or_not(tmp_path, tokenizer, n):
    expected = [encoding.ids for encoding in tokenizer.encode_batch(WORDS[:n])]
    for cache in (None, tmp_path, tmp_path):
        tokens = tokenised(Texts.of(WORDS[:n]), tokenizer, cache, name="words")
        assert lists(tokens) == expected
        assert (tokens.ids.dtype, tokens.offsets.dtype) == (torch.int32, torch.int64)
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("words-tokens-")
    assert np.load(folder / "ids.npy").tolist() == [number for ids in expected for number in ids]


def test_empty_texts_are_special_tokens_alone(tokenizer):
    assert lists(tokenised(Texts.of(["", "socket", ""]), tokenizer, None))[::2] == [tokenizer.encode("").ids] * 2
    assert len(tokenised(Texts.of([]), tokenizer, None)) == 0


@pytest.mark.usefixtures("small")
def test_other_texts_and_other_tokenizers_get_other_files(tmp_path, tokenizer, monkeypatch):
    texts = Texts.of(WORDS)
    tokenised(texts, tokenizer, tmp_path)
    tokenised(Texts.of([*WORDS, "new"]), tokenizer, tmp_path)
    tokenizer.enable_truncation(3)
    assert tokenised(texts, tokenizer, tmp_path).longest == 3
    assert len(list(tmp_path.iterdir())) == 3
    monkeypatch.delattr("text.data.store.encode")
    assert tokenised(texts, tokenizer, tmp_path).longest == 3, "nothing is tokenised again"


def test_few_texts_leave_no_file(tmp_path, tokenizer):
    assert len(tokenised(Texts.of(WORDS), tokenizer, tmp_path)) == len(WORDS)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("small")
def test_tokens_stay_in_memory_where_they_cannot_be_written(tmp_path, tokenizer, caplog):
    (tmp_path / "cache").write_text("a file, no folder")
    with caplog.at_level(logging.INFO, "contrabatch"):
        tokens = tokenised(Texts.of(WORDS), tokenizer, tmp_path / "cache", name="words")
    assert lists(tokens) == lists(tokenised(Texts.of(WORDS), tokenizer, None))
    assert "tokens of words stay in memory" in caplog.text


@pytest.mark.usefixtures("small")
def test_a_text_without_tokens_is_named_and_leaves_no_file(tmp_path, tokenizer):
    tokenizer.post_processor = None
    for cache in (tmp_path, None):
        with pytest.raises(
            ValueError, match=r"every text must give a token, but text 5 \(''\) gives none; leave it"
        ):
            tokenised(Texts.of(WORDS), tokenizer, cache)
    assert not list(tmp_path.iterdir())


def test_a_tokenizer_that_pads_is_refused(tokenizer):
    tokenizer.enable_padding()
    with pytest.raises(ValueError, match="must not pad"):
        tokenised(Texts.of(WORDS), tokenizer, None)


@pytest.mark.usefixtures("small")
def test_progress_is_told_in_lines_and_by_the_first_process_alone(tokenizer, capsys, monkeypatch):
    monkeypatch.setattr(store, "_SECONDS_BETWEEN_LINES", 0.0)
    tokenised(Texts.of(WORDS), tokenizer, None, name="words")
    assert capsys.readouterr().err.splitlines() == [f"tokenising words: {n}/7 texts" for n in (0, 3, 6)]
    monkeypatch.setenv("RANK", "1")
    tokenised(Texts.of(WORDS), tokenizer, None)
    assert not capsys.readouterr().err


def test_quick_work_says_nothing(tokenizer, capsys):
    tokenised(Texts.of(WORDS), tokenizer, None)
    assert not capsys.readouterr().err


def test_a_fork_after_tokenising_brings_no_warning_and_no_lasting_change():
    program = """
import os, sys
from text.tokens import Tokens, build_tokenizer, build_vocabulary
tokenizer = build_tokenizer(build_vocabulary(["a b"], 100), 8)
Tokens.of(tokenizer, ["a"] * 1000)
child = os.fork()
assert os.environ.get("TOKENIZERS_PARALLELISM") == (None if child else "false")
assert len(Tokens.of(tokenizer, ["a"] * 1000)) == 1000
if not child:
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""
    environment = {key: value for key, value in os.environ.items() if key != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
