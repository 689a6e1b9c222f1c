"""What `python -m text.evaluate` can measure on: data sets by name, folders and files by path."""

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from batching import permutation
from text.config import TextConfig
from text.data import DATASETS, STS, OnProblem, ScoredPairs, TextSet, cache_folder, load_sts, load_texts
from text.data.store import digest
from text.evaluate.protocols import pool_size

_ALIASES = {"sts-b": "stsbenchmark"}
_SENTENCES = (".txt", ".txt.gz")


@dataclass(frozen=True)
class EvaluationSet:
    """A set, and what it is called."""

    name: str
    """Without any path, with its part: msmarco-sample:dev600, beir-scifact:test."""
    texts: TextSet | ScoredPairs
    sha256: str
    """Of all that is measured on."""
    cache: Path | None
    """Folder for what has been tokenised, where there are many texts."""
    total: int
    """Queries or pairs that the set has; if there are more than `n`, that many were chosen."""

    @property
    def n(self) -> int:
        """Queries, or pairs."""
        return size_of(self.texts)

    @property
    def threshold(self) -> float:
        """What a grade must exceed to be relevant; see `TextSet`."""
        return self.texts.threshold if isinstance(self.texts, TextSet) else 0.0

    def described(self, measures: tuple[str, ...]) -> str:
        """Name and size, and how many passages are searched: 4 queries; relevant: 4 of 50 passages."""
        if not isinstance(self.texts, TextSet):
            return f"{self.name}, {self.n:,} pairs"
        told = [f"{self.name}, {self.n:,} queries"]
        for measure in measures:
            size = pool_size(self.texts, measure)
            if measure == "relevant":
                told.append(f"{measure}: {size:,} of {len(self.texts.passages):,} passages")
            else:
                told.append(f"{measure}: {'at most ' if measure == 'rerank' else ''}{size:,} passages")
        return "; ".join(told)


def find_set(
    asked: str, data: Path | None = None, n_queries: int | None = None, *, on_problem: OnProblem = "refuse"
) -> EvaluationSet:
    """Read a set.

    Args:
        asked: NAME or NAME:PART, where NAME is one of `DATASETS` or `STS`, or a path: the folder of a BEIR data
            set, a file of pairs, a .txt or .txt.gz file of sentences, or a folder with train.* and test.* of
            either. Without a part it is the test part.
        data: Folder of the data sets.
        n_queries: Take a fixed random choice of so many queries, or scored pairs; None for all.
        on_problem: What becomes of lines that cannot be read.

    Raises:
        ValueError: If there is no such set, or its files cannot be read.
    """
    whole = Path(asked).exists() or ":" not in asked
    name, _, part = (asked, "", "") if whole else asked.rpartition(":")
    name, part = _ALIASES.get(name, name), part or "test"
    if name in STS:
        return identified(f"{name}:{part}", load_sts(name, data, part, on_problem=on_problem), n_queries)
    kind = name
    if name not in DATASETS:
        data, kind = Path(name), _kind_of(Path(name))
    texts = load_texts(kind, data, part, on_problem=on_problem)
    return identified(f"{short_name(kind, data)}:{part}", texts, n_queries, cache_folder(kind, data))


def own_set(
    config: TextConfig,
    data: Path | None = None,
    n_queries: int | None = None,
    *,
    on_problem: OnProblem | None = None,
) -> EvaluationSet:
    """The test set that a run was measured on.

    Args:
        config: Of the run.
        data: In place of the run's own folder or file.
        n_queries: In place of the run's own number, where that is larger.
        on_problem: In place of what the run did.

    Raises:
        ValueError: If its files cannot be read.
    """
    data = config.data if data is None else data
    texts = load_texts(config.dataset, data, "test", on_problem=on_problem or config.on_problem)
    n = min((n for n in (config.n_test, n_queries) if n is not None), default=None)
    name = f"{short_name(config.dataset, data)}:test"
    return identified(name, texts, n, cache_folder(config.dataset, data))


def short_name(dataset: str, data: Path | None) -> str:
    """The data set, or, where that says nothing, the folder or file that it is in, without the path to it."""
    return data.resolve().name if data is not None and DATASETS[dataset].needs_data else dataset


def _kind_of(path: Path) -> str:
    """Which data set a file or a folder is one of."""
    if path.exists() and path.resolve().name in {
        *STS,
        *(name for name, one in DATASETS.items() if not one.needs_data),
    }:
        raise ValueError(f"--on must not be a path that ends with the name of a data set, got {path}; rename it")
    if path.is_dir() and (path / "corpus.jsonl").exists():
        return "beir"
    files = [path] if path.is_file() else [*path.glob("test.*"), *path.glob("train.*")] if path.is_dir() else []
    if files:
        return "sentences" if files[0].name.endswith(_SENTENCES) else "pairs"
    known = ", ".join([*(name for name, one in DATASETS.items() if not one.needs_data), *STS])
    raise ValueError(
        f"--on must be one of {known}, or the path of a BEIR folder, a file of pairs, a .txt file of sentences or "
        f"a folder with train.* and test.*, got {str(path)!r}; a part is named behind a colon, as in "
        "msmarco-sample:dev600"
    )


def identified(
    name: str, texts: TextSet | ScoredPairs, n_queries: int | None = None, cache: Path | None = None
) -> EvaluationSet:
    """So many queries or pairs of this set, under this name."""
    total, texts = (
        size_of(texts),
        chosen(texts, n_queries) if isinstance(texts, TextSet) else _pairs(texts, n_queries),
    )
    if isinstance(texts, TextSet):
        return EvaluationSet(name, texts, digest(texts), cache, total)
    scores = sha256(np.ascontiguousarray(texts.scores).data).hexdigest()
    parts = " ".join([texts.first.digest(), texts.second.digest(), scores])
    return EvaluationSet(name, texts, sha256(parts.encode()).hexdigest(), None, total)


def size_of(texts: TextSet | ScoredPairs) -> int:
    """Queries, or pairs."""
    return len(texts.queries) if isinstance(texts, TextSet) else len(texts.scores)


def chosen(texts: TextSet, n_queries: int | None) -> TextSet:
    """A fixed random choice of the queries; all passages stay. A smaller choice is a part of every larger one."""
    index = _choice(len(texts.queries), n_queries)
    return texts if index is None else texts.of_queries(index)


def _pairs(pairs: ScoredPairs, n: int | None) -> ScoredPairs:
    """The same of scored pairs."""
    index = _choice(len(pairs.scores), n)
    if index is None:
        return pairs
    return replace(
        pairs, first=pairs.first.take(index), second=pairs.second.take(index), scores=pairs.scores[index]
    )


def _choice(total: int, n: int | None) -> Int64[np.ndarray, " n"] | None:
    """Rows in ascending order; None for all."""
    return None if n is None or n >= total else np.sort(permutation(0, "test", 0, total)[:n].numpy())
