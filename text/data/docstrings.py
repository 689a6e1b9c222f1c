"""Pairs from docstrings: the first sentence asks, the rest answers. Read with `ast`; nothing is imported.

The standard library of the running Python is a text corpus that every user has: about 2,700 pairs of English
prose, far from saturated (TF-IDF finds half of the answers), and small enough to train on in a minute. It
differs from one Python to the next, so a corpus is identified by the hash over its pairs.
"""

import ast
import hashlib
import json
import os
import platform
import re
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from text.data.problems import OnProblem, Problems
from text.data.texts import Lists, Texts
from text.data.textset import TextSet

_TESTS = {"idle_test", "test", "tests"}
_OTHERS = {"__pycache__", "_bundled", "_vendor", "dist-packages", "lib2to3", "site-packages"}
"""Folders of copies of other projects, and of what the user installed."""
_QUERY_WORDS = range(4, 41)
_LEAST_PASSAGE_WORDS = 12
_LEAST_LETTERS = 0.55
# A sentence ends at a full stop that no small letter follows ("i.e. this" goes on), or with its paragraph.
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?![a-z])|\n\s*\n")
_PARAGRAPH = re.compile(r"\n\s*\n")


_State = tuple[str, tuple[tuple[str, int, int], ...]]
"""The folder, and path, size and time of change of its files."""


class Pair(NamedTuple):
    """A question and its answer, spaces made single."""

    query: str
    passage: str


@dataclass(frozen=True)
class Manifest:
    """What a corpus was made from; two corpora with the same `sha256` are the same."""

    python: str
    files: int
    unreadable: tuple[str, ...]
    """Files that are no valid Python, or cannot be read."""
    docstrings: int
    train: int
    validation: int
    test: int
    sha256: str
    """Over the pairs, their order and their split."""

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Corpus:
    """Pairs in three parts that share no file."""

    train: list[Pair]
    validation: list[Pair]
    test: list[Pair]
    manifest: Manifest


_LAST: dict[_State, Corpus] = {}
"""The corpus that was read last: a training takes one part of it after the other."""


def read_docstrings(root: Path | None = None) -> Corpus:
    """Read the pairs of all Python files under a folder.

    A pair is kept if its query has 4 to 40 words, its passage at least 12 outside of examples, both are prose
    (at least 55 % letters), the passage does not contain the query, and neither occurred before (case and
    punctuation aside). The hash of a file's path decides between train, validation and test (80/10/10), so
    that a file's split does not change with the other files.

    The last corpus stays in memory, and is given again as long as no file has another size or time of change.

    Args:
        root: The folder; None for the standard library of this Python.

    Raises:
        ValueError: If the folder does not exist, or a part would have fewer than 2 pairs.

    Cost: 5 seconds for the standard library.
    """
    root = Path(sysconfig.get_path("stdlib")) if root is None else root
    if not root.is_dir():
        raise ValueError(f"--data must be a folder of Python files, got {root}; leave it out to read Python's own")
    files = _python_files(root)
    state = _state_of(root, files)
    if state not in _LAST:
        corpus = _parsed(root, files)
        _LAST.clear()
        _LAST[state] = corpus
    return _LAST[state]


def _parsed(root: Path, files: Sequence[str]) -> Corpus:
    parts: dict[str, list[Pair]] = {"train": [], "validation": [], "test": []}
    unreadable: list[str] = []
    seen: set[str] = set()
    n_docstrings = 0
    for name in files:
        try:
            docstrings = list(_docstrings(root / name))
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            unreadable.append(name)
            continue
        n_docstrings += len(docstrings)
        for docstring in docstrings:
            pair = pair_of(docstring)
            if pair is not None and not seen & {_normalised(text) for text in pair}:
                seen |= {_normalised(text) for text in pair}
                parts[split_of(name)].append(pair)
    if min(map(len, parts.values())) < 2:
        found = ", ".join(f"{len(pairs)} {split}" for split, pairs in parts.items())
        raise ValueError(
            f"--data must hold at least 2 training, 2 validation and 2 test pairs, got {found} in the {len(files)} "
            f"Python files of {root} ({len(unreadable)} unreadable); take a folder with more docstrings"
        )
    manifest = Manifest(
        python=platform.python_version(),
        files=len(files),
        unreadable=tuple(unreadable),
        docstrings=n_docstrings,
        **{split: len(pairs) for split, pairs in parts.items()},
        sha256=hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
    )
    return Corpus(**parts, manifest=manifest)


def load_docstrings(data: Path | None, split: str, on_problem: OnProblem) -> TextSet:
    """The pairs of one part, each passage relevant to its query alone; see `read_docstrings`.

    Args:
        data: Folder of Python files; None for the standard library of this Python.
        split: train, validation or test.
        on_problem: What becomes of files that cannot be read.

    Raises:
        ValueError: If there are such files and they are not to be skipped, or a part would be too small.

    Cost: as `read_docstrings`.
    """
    corpus = read_docstrings(data)
    problems = Problems(on_problem)
    for name in corpus.manifest.unreadable:
        problems.add(
            "unreadable files", (data or Path()) / name, None, "needs to be Python, got what cannot be parsed"
        )
    pairs: list[Pair] = getattr(corpus, split)
    ids = Texts.of(map(str, range(len(pairs))))
    return TextSet(
        name=f"docstrings {split}",
        queries=Texts.of(pair.query for pair in pairs),
        passages=Texts.of(pair.passage for pair in pairs),
        query_ids=ids,
        passage_ids=ids,
        relevant=Lists.of([[i] for i in range(len(pairs))]),
        skipped=problems.settle("docstrings"),
    )


def pair_of(docstring: str) -> Pair | None:
    """The pair that a docstring gives, or None if it does not pass the filters of `read_docstrings`."""
    sentence, *rest = _SENTENCE_END.split(docstring.strip(), maxsplit=1)
    prose = [part for text in rest for part in _PARAGRAPH.split(text) if not part.lstrip().startswith(">>>")]
    pair = Pair(_single_spaced(sentence), _single_spaced(" ".join(prose)))
    if len(pair.query.split()) not in _QUERY_WORDS or len(pair.passage.split()) < _LEAST_PASSAGE_WORDS:
        return None
    if min(_share_of_letters(text) for text in pair) < _LEAST_LETTERS:
        return None
    return None if _normalised(pair.query) in _normalised(pair.passage) else pair


def split_of(name: str) -> str:
    """The part that a file belongs to: eight of ten train, one validates, one tests."""
    bucket = int.from_bytes(hashlib.sha256(name.encode(errors="replace")).digest()) % 10
    return "train" if bucket < 8 else "validation" if bucket == 8 else "test"


def _python_files(root: Path) -> list[str]:
    """Paths relative to the root, with forward slashes, in the same order on every machine."""
    found = []
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if name not in _TESTS | _OTHERS]
        found += [(Path(folder) / name).relative_to(root).as_posix() for name in names if name.endswith(".py")]
    return sorted(found)


def _state_of(root: Path, files: Sequence[str]) -> _State:
    """What a corpus that was read before must have been read from; what cannot be looked at counts as such."""
    state: list[tuple[str, int, int]] = []
    for name in files:
        try:
            status = (root / name).stat()
            state.append((name, status.st_size, status.st_mtime_ns))
        except OSError:
            state.append((name, -1, -1))
    return str(root.resolve()), tuple(state)


def _docstrings(file: Path) -> Iterator[str]:
    """Those of the module, its classes and its functions, in the order of the file."""
    if not file.is_file():
        raise OSError(f"{file} is no regular file")  # a pipe would be waited for, for ever
    with warnings.catch_warnings():
        # The files are read as they are; their stray backslashes are not ours to report.
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        todo: list[ast.AST] = [ast.parse(file.read_bytes())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield docstring
        # Definitions are found in statements only, so that expressions need not be walked.
        children = ast.iter_child_nodes(node)
        todo += reversed([c for c in children if isinstance(c, ast.stmt | ast.ExceptHandler | ast.match_case)])


def _single_spaced(text: str) -> str:
    # A string literal may hold half of a surrogate pair, which no file and no tokeniser can take.
    return " ".join(text.encode(errors="ignore").decode().split())


def _normalised(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _share_of_letters(text: str) -> float:
    characters = [c for c in text if not c.isspace()]
    return sum(c.isalpha() for c in characters) / max(1, len(characters))
