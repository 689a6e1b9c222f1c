r"""MS MARCO passage ranking as Microsoft publishes it, and a sample of it.

The collection is double-encoded in places ("presynapt â\x80¦ ic" where an ellipsis was meant). Its bytes are read
as they are, as the published figures were made; other readers repair them, and have other texts.

In the sample, 4,365 passages, all of them relevant to a dev query, have the title of their page in front, and no
other passage has (`baba9811+title` in passage-source.tsv). A model could learn to prefer titles, and retrieval of
the dev queries from the whole sample would reward it. So train on the train pairs, which have none, and measure the
dev queries against the relevant passages among themselves (two of three have a title, right and wrong ones alike),
or by re-ranking the candidates of dev600. No figure on the sample compares with one on all 8.8 million passages.

Parts with candidates are measured as `python -m text.evaluate MODEL --on msmarco:top1000 --measures rerank`, where
only the candidates are encoded: the official re-ranking task (top1000, whose file is in no order, so that nothing
is known of the first retriever's), or what a first retriever of your own has found (run).

dl19 and dl20 are the passage tasks of TREC Deep Learning: grades 0 to 3, of which 2 and 3 count as relevant, and
nDCG@10, the number that is reported, takes 1 as well. Passages of grade 0 are left out, as trec_eval takes what was
not judged to be of grade 0.

References: Bajaj et al., 2016, MS MARCO, arXiv 1611.09268; Craswell et al., 2020, Overview of the TREC 2019 Deep
Learning track, arXiv 2003.07820, and 2021, of 2020, arXiv 2102.07662.
"""

from dataclasses import dataclass
from pathlib import Path

from text.data.candidates import MSMARCO_RUN, SAMPLE, TOP1000, TREC_RUN, TREC_RUN_WITH_TABS, Form
from text.data.files import CACHE, find_files
from text.data.problems import OnProblem
from text.data.reading import Layout
from text.data.retrieval import Source, load_source
from text.data.textset import TextSet

BASE = "https://msmarco.z22.web.core.windows.net/msmarcoranking/"
TREC = "https://trec.nist.gov/data/deep/"
FOLDER = "msmarco-passage"
SAMPLE_FOLDER = "msmarco-passage-sample"

_JUDGEMENTS = Layout(columns={0: "query id", 2: "passage id", 3: "relevance"}, n_columns=range(4, 5))
_TREC_JUDGEMENTS = Layout(columns=_JUDGEMENTS.columns, n_columns=range(4, 5), separator=b" ")
_UNPACK = f"unpack collectionandqueries.tar.gz (1.06 GB) of {BASE} into"


@dataclass(frozen=True, kw_only=True)
class Part:
    """The files of a part beside collection.tsv, and how they are read."""

    queries: tuple[str, ...]
    """Names, of which the first that is there is taken."""
    judgements: str
    candidates: tuple[str, ...] = ()
    forms: tuple[Form, ...] = ()
    layout: Layout = _JUDGEMENTS
    threshold: float = 0.0
    remedy: str
    """Where they come from; the name of the folder follows."""


_DEV_SMALL = ("queries.dev.small.tsv", "queries.dev.tsv")


def _trec(year: int) -> Part:
    return Part(
        queries=(f"msmarco-test{year}-queries.tsv",),
        judgements=f"{year}qrels-pass.txt",
        layout=_TREC_JUDGEMENTS,
        threshold=1.0,
        remedy=f"fetch the queries from {BASE} and the judgements from {TREC}, and {_UNPACK}",
    )


SPLITS: dict[str, Part] = {
    "train": Part(queries=("queries.train.tsv",), judgements="qrels.train.tsv", remedy=_UNPACK),
    "test": Part(queries=_DEV_SMALL, judgements="qrels.dev.small.tsv", remedy=_UNPACK),
    "dev": Part(
        queries=("queries.dev.tsv",),
        judgements="qrels.dev.tsv",
        remedy=f"fetch qrels.dev.tsv, which is not in the archive, and {_UNPACK}",
    ),
    "top1000": Part(
        queries=_DEV_SMALL,
        judgements="qrels.dev.small.tsv",
        candidates=("top1000.dev", "top1000.dev.tsv"),
        forms=(TOP1000,),
        remedy=f"unpack top1000.dev.tar.gz (0.69 GB), too, and {_UNPACK}",
    ),
    "run": Part(
        queries=_DEV_SMALL,
        judgements="qrels.dev.small.tsv",
        candidates=("run.dev.small.tsv", "run.dev.small.trec", "run.dev.small.txt"),
        forms=(MSMARCO_RUN, TREC_RUN, TREC_RUN_WITH_TABS),
        remedy=(
            "write the run of a first retriever there: query, passage and rank with tabs between them, or as "
            f"trec_eval reads it; and {_UNPACK}"
        ),
    ),
    "dl19": _trec(2019),
    "dl20": _trec(2020),
}
"""test is dev.small, the 6,980 queries of all papers, and so are top1000 and run, with candidates; dev has 55,578
queries, dl19 43, dl20 54."""
SAMPLE_SPLITS: dict[str, tuple[str, str, str | None]] = {
    "train": ("queries.train.sample.tsv", "qrels.train.sample.tsv", None),
    "test": ("queries.dev.small.tsv", "qrels.dev.small.with-text.tsv", None),
    "dev600": ("queries.dev.small.tsv", "qrels.dev.small.with-text.tsv", "dev600.candidates.tsv"),
}
"""Queries, judgements and candidates."""


def load_msmarco(data: Path, split: str, on_problem: OnProblem, negatives: Path | None) -> TextSet:
    """A part of MS MARCO, over all passages.

    Args:
        data: The folder that `msmarco-passage` is in, or that folder itself.
        split: train (502,939 queries), test (dev.small), dev; top1000 or run (dev.small with candidates; a query
            without any scores 0 in re-ranking); dl19 or dl20.
        on_problem: What becomes of problems.
        negatives: File of hard negatives.

    Raises:
        ValueError: If a file is missing, or has problems that are not to be skipped.

    Cost: about a minute of one core and three times the collection in memory the first time, then no time. Some
        20 seconds more for the 6.7 million candidates of top1000.
    """
    folder = folder_in(data, FOLDER)
    part = SPLITS[split]
    wanted = [
        ("collection.tsv",),
        part.queries,
        (part.judgements,),
        *([part.candidates] if part.candidates else []),
    ]
    paths = find_files(folder, wanted, f"{part.remedy} {folder}")
    source = Source(
        dataset="msmarco",
        split=split,
        passages=paths[0],
        queries=paths[1],
        judgements=paths[2],
        candidates=paths[3] if part.candidates else None,
        forms=part.forms,
        layout=part.layout,
        threshold=part.threshold,
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
    folder = folder_in(data, SAMPLE_FOLDER)
    names = SAMPLE_SPLITS[split]
    remedy = (
        "name the folder that it is in with --data. The sample itself is not for download, but all that is made "
        f"for it runs on MS MARCO's own files, too: {_UNPACK} {folder.with_name(FOLDER)}, and train with "
        "--dataset msmarco, as in `python -m text.train msmarco-sample --dataset msmarco --model DIR`"
    )
    paths = find_files(folder, [("collection.tsv",), *((name,) for name in names if name)], remedy)
    source = Source(
        dataset="msmarco-sample",
        split=split,
        passages=paths[0],
        queries=paths[1],
        judgements=paths[2],
        candidates=paths[3] if len(paths) > 3 else None,
        forms=(SAMPLE,),
        only_with_candidates=True,
        layout=_JUDGEMENTS,
        negatives=negatives,
    )
    return load_source(source, None, on_problem)


def folder_in(data: Path, name: str) -> Path:
    """Below the folder that was given, or that folder."""
    return data if not (data / name).is_dir() and (data / "collection.tsv").is_file() else data / name
