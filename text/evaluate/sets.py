"""What `python -m text.evaluate` can measure on: data sets by name, folders and files by path."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from batching import permutation
from text.data import DATASETS, STS, ScoredPairs, TextSet, cache_folder, load_sts, load_texts
from text.data.store import digest

_ALIASES = {"sts-b": "stsbenchmark"}


@dataclass(frozen=True)
class Named:
    """A set, and what it is called."""

    name: str
    """As it was asked for, with its part: msmarco-sample:dev600."""
    texts: TextSet | ScoredPairs
    sha256: str
    """Of all that is measured on."""
    cache: Path | None
    """Folder for what has been tokenised, where there are many texts."""

    @property
    def n(self) -> int:
        """Queries, or pairs."""
        return len(self.texts.queries) if isinstance(self.texts, TextSet) else len(self.texts.scores)

    @property
    def threshold(self) -> float:
        """What a grade must exceed to be relevant; see `TextSet`."""
        return self.texts.threshold if isinstance(self.texts, TextSet) else 0.0

    @property
    def described(self) -> str:
        """Name and size."""
        if isinstance(self.texts, TextSet):
            return f"{self.name}, {self.n:,} queries, {len(self.texts.passages):,} passages"
        return f"{self.name}, {self.n:,} pairs"


def find_set(asked: str, data: Path | None = None, n_queries: int | None = None) -> Named:
    """Read a set.

    Args:
        asked: NAME or NAME:PART, where NAME is one of `DATASETS` or `STS`, or a path: the folder of a BEIR data
            set, a file of pairs, a .txt file of sentences. Without a part it is the test part.
        data: Folder of the data sets.
        n_queries: Take a fixed random choice of so many queries; None for all.

    Raises:
        ValueError: If there is no such set, or its files cannot be read.
    """
    whole = Path(asked).exists() or ":" not in asked
    name, _, part = (asked, "", "") if whole else asked.rpartition(":")
    name, part = _ALIASES.get(name, name), part or "test"
    if name in STS:
        return named(f"{name}:{part}", load_sts(name, data, part))
    path = Path(name)
    if name in DATASETS:
        texts, cache = load_texts(name, data, part), cache_folder(name, data)
    elif path.is_dir() and (path / "corpus.jsonl").exists():
        texts, cache = load_texts("beir", path, part), cache_folder("beir", path)
    elif path.is_file():
        kind = "sentences" if path.suffix == ".txt" else "pairs"
        texts, cache = load_texts(kind, path, part), cache_folder(kind, path)
    else:
        known = ", ".join([*(name for name, one in DATASETS.items() if not one.needs_data), *STS])
        raise ValueError(
            f"--on must be one of {known}, or the path of a BEIR folder, a file of pairs or a .txt file of "
            f"sentences, got {name!r}; a part is named behind a colon, as in msmarco-sample:dev600"
        )
    return named(f"{name}:{part}", chosen(texts, n_queries), cache)


def named(name: str, texts: TextSet | ScoredPairs, cache: Path | None = None) -> Named:
    """This set under this name."""
    if isinstance(texts, TextSet):
        return Named(name, texts, digest(texts), cache)
    scores = sha256(np.ascontiguousarray(texts.scores).data).hexdigest()
    parts = " ".join([texts.first.digest(), texts.second.digest(), scores])
    return Named(name, texts, sha256(parts.encode()).hexdigest(), None)


def chosen(texts: TextSet, n_queries: int | None) -> TextSet:
    """A fixed random choice of the queries; all passages stay."""
    if n_queries is None or n_queries >= len(texts.queries):
        return texts
    return texts.of_queries(np.sort(permutation(0, "test", 0, len(texts.queries))[:n_queries].numpy()))
