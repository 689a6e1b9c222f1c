"""Pairs from docstrings: what is kept, how it is split, and that no file can stop the reading."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from text.data import load_texts
from text.data.docstrings import Pair, pair_of, read_docstrings, split_of

ROOT = Path(__file__).parents[3]
ANSWER = "The answer goes on for a while, with at least twelve words of plain and simple prose."


@pytest.fixture(scope="module")
def standard_library():
    return read_docstrings()


@pytest.mark.parametrize(
    "docstring",
    [
        f"Ask one short question. {ANSWER}",
        f"Ask one short question.\n\n{ANSWER}",
        f"  Ask one\n  short question.\n\n\n{ANSWER}  ",
        f"Ask one short question.\n\n>>> ask('question')\n42\n\n{ANSWER}\n\n    >>> again()",
    ],
)
def test_the_first_sentence_asks_and_the_rest_answers_without_its_examples(docstring):
    assert pair_of(docstring) == Pair("Ask one short question.", ANSWER)


def test_a_headline_needs_no_full_stop_and_an_abbreviation_does_not_end_a_sentence():
    assert pair_of(f"Ask one short question\n\n{ANSWER}") == Pair("Ask one short question", ANSWER)
    assert pair_of(f"Ask one question, i.e. this one. {ANSWER}") == Pair("Ask one question, i.e. this one.", ANSWER)


@pytest.mark.parametrize(
    ("docstring", "why"),
    [
        ("Ask one short question.", "no answer"),
        (f"Ask a question. {ANSWER}", "a query of 3 words"),
        (f"Ask {'one ' * 40}question. {ANSWER}", "a query of 42 words"),
        ("Ask one short question. The answer has one word less than twelve of them.", "a passage of 9 words"),
        ("Ask one short question.\n\n>>> " + ANSWER, "an example only"),
        (f"f(x, y=0, *, z=1) -> 2 ** 3. {ANSWER}", "a query of signs"),
        ("Ask one short question. " + "+ 1 = 2 " * 12, "a passage of signs"),
        (f"Ask one short question. To ask one, SHORT question: {ANSWER}", "the answer repeats the question"),
    ],
)
def test_what_is_no_question_with_an_answer_is_left_out(docstring, why):
    assert pair_of(docstring) is None, why


def test_half_of_a_surrogate_pair_is_dropped():
    assert pair_of(f"Ask one \ud800short question. {ANSWER}") == Pair("Ask one short question.", ANSWER)


def test_the_parts_share_no_file_and_no_text(library):
    corpus = read_docstrings(library)
    parts = (corpus.train, corpus.validation, corpus.test)
    assert sum(map(len, parts)) == 100
    assert [corpus.manifest.train, corpus.manifest.validation, corpus.manifest.test] == [len(p) for p in parts]
    assert len({text for part in parts for pair in part for text in pair}) == 200
    for name, part in (("train", corpus.train), ("validation", corpus.validation), ("test", corpus.test)):
        files = {file.name for file in library.iterdir() if any(p.query in file.read_text() for p in part)}
        assert {split_of(file) for file in files} == {name}


def test_about_eight_of_ten_files_train():
    splits = [split_of(f"folder/file_{i}.py") for i in range(2000)]
    assert splits.count("train") == pytest.approx(1600, abs=80)
    assert splits.count("validation") == pytest.approx(200, abs=60)


def test_repeated_queries_and_repeated_passages_are_left_out(library, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(library, folder)
    before = read_docstrings(folder).manifest
    original = next(iter(read_docstrings(folder).train))
    (folder / "zz.py").write_text(
        f'def f():\n    """{original.query.upper()} {ANSWER}"""\n\n'
        f'def g():\n    """A question of its own. {original.passage}"""\n'
    )
    after = read_docstrings(folder).manifest
    assert after.docstrings == before.docstrings + 2
    assert after.sha256 == before.sha256


def test_the_same_files_give_the_same_pairs_anywhere(library, tmp_path):
    folder = tmp_path / "elsewhere"
    shutil.copytree(library, folder)
    program = (
        "from pathlib import Path; from text.data.docstrings import read_docstrings; "
        f"print(read_docstrings(Path({str(folder)!r})).manifest.sha256)"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert elsewhere == read_docstrings(library).manifest.sha256


def test_another_word_gives_another_hash(library, tmp_path):
    folder = tmp_path / "changed"
    shutil.copytree(library, folder)
    file = folder / "turtle_0.py"
    file.write_text(file.read_text().replace("waits", "rests", 1))
    assert read_docstrings(folder).manifest.sha256 != read_docstrings(library).manifest.sha256


def test_odd_files_are_counted_and_reading_goes_on(library, tmp_path):
    folder = tmp_path / "odd"
    shutil.copytree(library, folder)
    odd = {
        "a_syntax_error.py": b"def (:\n",
        "b_null_byte.py": b"x = 1\0\n",
        "c_no_utf8.py": b'"""\xff\xfe"""\n',
        "d_unknown_encoding.py": b"# coding: nonsense\n",
        "e_nested.py": b"(" * 10_000 + b")" * 10_000,
    }
    for name, content in odd.items():
        (folder / name).write_bytes(content)
    (folder / "f_broken_link.py").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "g_pipe.py")
    (folder / "h_folder.py").mkdir()
    (folder / "i_side_effect.py").write_text(
        f'"""A module that must not be imported. {ANSWER}"""\nraise SystemExit\n'
    )
    (folder / "j_backslash.py").write_text('x = "\\d"\n')

    manifest = read_docstrings(folder).manifest
    assert manifest.unreadable == (*odd, "f_broken_link.py", "g_pipe.py")
    assert manifest.files == 20 + 7 + 2
    assert manifest.docstrings == 101
    assert json.dumps(manifest.as_dict())


@pytest.mark.parametrize("name", ["tests", "lib2to3", "site-packages", "idlelib/idle_test", "pip/_vendor"])
def test_tests_and_other_peoples_files_are_skipped(library, tmp_path, name):
    folder = tmp_path / "root"
    shutil.copytree(library, folder)
    shutil.copytree(library, folder / name)
    assert read_docstrings(folder).manifest == read_docstrings(library).manifest


def test_definitions_are_found_wherever_statements_are(library, tmp_path):
    folder = tmp_path / "nested"
    shutil.copytree(library, folder)
    depth = "try:\n    import x\nexcept ImportError:\n    class A:\n        async def f(self):\n"
    (folder / "deep.py").write_text(f'{depth}            """A question deep down here. {ANSWER}"""\n')
    assert read_docstrings(folder).manifest.docstrings == 101


def test_the_standard_library_is_a_corpus(standard_library):
    manifest = standard_library.manifest
    assert manifest.unreadable == ()
    assert manifest.train > 1200
    assert min(manifest.validation, manifest.test) > 100
    pairs = standard_library.train + standard_library.validation + standard_library.test
    assert all(4 <= len(pair.query.split()) <= 40 and len(pair.passage.split()) >= 12 for pair in pairs)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"--data must be a folder .* got .*nowhere; leave it out"):
        read_docstrings(tmp_path / "nowhere")


def test_a_folder_without_enough_pairs_is_refused(tmp_path):
    (tmp_path / "one.py").write_text(f'"""Ask one short question. {ANSWER}"""\n')
    with pytest.raises(ValueError, match=r"at least 2 training, 2 validation and 2 test pairs.*1 Python files"):
        read_docstrings(tmp_path)


def test_a_part_is_a_text_set_whose_passages_answer_one_query_each(library):
    corpus = read_docstrings(library)
    for split in ("train", "validation", "test"):
        texts = load_texts("docstrings", library, split)
        pairs = getattr(corpus, split)
        assert texts.name == f"docstrings {split}"
        assert list(zip(texts.queries, texts.passages, strict=True)) == pairs
        assert [found.tolist() for found in texts.relevant] == [[i] for i in range(len(pairs))]
        assert texts.skipped == {}


def test_a_corpus_is_parsed_once_until_a_file_changes(library, tmp_path, monkeypatch):
    folder = tmp_path / "own"
    shutil.copytree(library, folder)
    first = read_docstrings(folder)
    with monkeypatch.context() as patch:
        patch.setattr(ast, "parse", None)  # cannot be called
        assert read_docstrings(folder) is first
        for split in ("train", "test"):
            load_texts("docstrings", folder, split)
    file = sorted(folder.glob("*.py"))[0]
    file.write_text(file.read_text().replace("waits until", "sleeps until"))
    changed = read_docstrings(folder)
    assert changed.manifest.sha256 != first.manifest.sha256
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    again = read_docstrings(folder)
    assert (again, again is changed) == (changed, False)
    file.unlink()
    assert read_docstrings(folder).manifest.files == first.manifest.files - 1
    with pytest.raises(ValueError, match="must be a folder"):
        read_docstrings(folder / "nowhere")


def test_files_that_are_no_python_are_refused_or_counted(library, tmp_path):
    folder = tmp_path / "odd"
    shutil.copytree(library, folder)
    (folder / "bad.py").write_text("def (:\n")
    with pytest.raises(ValueError, match=r"got 1 unreadable files:\n  .*bad.py: needs to be Python") as caught:
        load_texts("docstrings", folder, "train")
    assert "--on-problem skip" in str(caught.value)
    texts = load_texts("docstrings", folder, "train", on_problem="skip")
    assert texts.skipped == {"unreadable files": 1}
    assert list(texts.queries) == list(load_texts("docstrings", library, "train").queries)
