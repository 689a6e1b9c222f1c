r"""MS MARCO passage ranking as Microsoft publishes it, and a sample of it.

The collection is double-encoded in places ("presynapt â\x80¦ ic" where an ellipsis was meant). Its bytes are read
as they are, as the published figures were made; other readers repair them, and have other texts.

In the sample, 4,365 passages, all of them relevant to a dev query, have the title of their page in front, and no
other passage has (`baba9811+title` in passage-source.tsv). A model could learn to prefer titles, and retrieval of
the dev queries from the whole sample would reward it. So train on the train pairs, which have none, and measure the
dev queries against the relevant passages among themselves (two of three have a title, right and wrong ones alike),
or by re-ranking the candidates of dev600. No figure on the sample compares with one on all 8.8 million passages.
"""

from pathlib import Path

from text.data.files import CACHE, find_files
from text.data.problems import OnProblem
from text.data.reading import Layout
from text.data.retrieval import Source, load_source
from text.data.textset import TextSet

BASE = "https://msmarco.z22.web.core.windows.net/msmarcoranking/"
FOLDER = "msmarco-passage"
SAMPLE = "msmarco-passage-sample"
SPLITS: dict[str, tuple[tuple[str, ...], str]] = {
    "train": (("queries.train.tsv",), "qrels.train.tsv"),
    "test": (("queries.dev.small.tsv", "queries.dev.tsv"), "qrels.dev.small.tsv"),
    "dev": (("queries.dev.tsv",), "qrels.dev.tsv"),
}
"""Queries and judgements of each part. test is dev.small, the 6,980 queries of all papers; dev has 55,578."""
SAMPLE_SPLITS: dict[str, tuple[str, str, str | None]] = {
    "train": ("queries.train.sample.tsv", "qrels.train.sample.tsv", None),
    "test": ("queries.dev.small.tsv", "qrels.dev.small.with-text.tsv", None),
    "dev600": ("queries.dev.small.tsv", "qrels.dev.small.with-text.tsv", "dev600.candidates.tsv"),
}
"""Queries, judgements and candidates."""

_JUDGEMENTS = Layout(columns={0: "query id", 2: "passage id", 3: "relevance"}, n_columns=range(4, 5))


def load_msmarco(data: Path, split: str, on_problem: OnProblem, negatives: Path | None) -> TextSet:
    """A part of MS MARCO, over all passages.

    Args:
        data: The folder that `msmarco-passage` is in, or that folder itself.
        split: train (502,939 queries), test (dev.small) or dev.
        on_problem: What becomes of problems.
        negatives: File of hard negatives.

    Raises:
        ValueError: If a file is missing, or has problems that are not to be skipped.

    Cost: about a minute of one core and three times the collection in memory the first time, then no time.
    """
    folder = _folder(data, FOLDER)
    queries, judgements = SPLITS[split]
    remedy = (
        f"unpack collectionandqueries.tar.gz (1.06 GB) of {BASE} into {folder}; qrels.dev.tsv is there by itself"
    )
    paths = find_files(folder, [("collection.tsv",), queries, (judgements,)], remedy)
    source = Source(
        dataset="msmarco",
        split=split,
        passages=paths[0],
        queries=paths[1],
        judgements=paths[2],
        layout=_JUDGEMENTS,
        negatives=negatives,
    )
    return load_source(source, folder.resolve().parent / CACHE, on_problem)


def load_sample(data: Path, split: str, on_problem: OnProblem, negatives: Path | None) -> TextSet:
    """A part of the sample, over all its passages; see the top of this file for what it can show.

    dev600 has the candidates that BM25 found, in its order, for 600 queries; 60 of them have no relevant passage
    among their candidates, and score 0 in re-ranking.

    Args:
        data: The folder that `msmarco-passage-sample` is in, or that folder itself.
        split: train, test or dev600.
        on_problem: What becomes of problems.
        negatives: File of hard negatives.

    Raises:
        ValueError: If a file is missing, or has problems that are not to be skipped.
    """
    folder = _folder(data, SAMPLE)
    names = SAMPLE_SPLITS[split]
    remedy = "lay out the sample there, or name the folder that it is in with --data"
    paths = find_files(folder, [("collection.tsv",), *((name,) for name in names if name)], remedy)
    source = Source(
        dataset="msmarco-sample",
        split=split,
        passages=paths[0],
        queries=paths[1],
        judgements=paths[2],
        candidates=paths[3] if len(paths) > 3 else None,
        layout=_JUDGEMENTS,
        negatives=negatives,
    )
    return load_source(source, None, on_problem)


def _folder(data: Path, name: str) -> Path:
    """Below the folder that was given, or that folder."""
    return data if not (data / name).is_dir() and (data / "collection.tsv").is_file() else data / name
