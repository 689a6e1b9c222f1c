"""A folder in the format of BEIR: corpus.jsonl, queries.jsonl, qrels/PART.tsv.

In some data sets (ArguAna, Quora) queries are passages, too. As in BEIR's own evaluation, the passage with the name
of a query is never retrieved for it: the query would find itself first. It is so for every data set, also where two
names are equal by accident, or the judgements name that passage.

Reference: Thakur et al., 2021, BEIR, arXiv 2104.08663.
"""

from pathlib import Path

from text.data.files import CACHE, find_files
from text.data.problems import OnProblem
from text.data.reading import Layout
from text.data.retrieval import Source, load_source
from text.data.textset import TextSet

SPLITS = ("train", "dev", "test")
BASE = "https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets/"
_JUDGEMENTS = Layout(
    columns={0: "query id", 1: "passage id", 2: "relevance"},
    n_columns=range(3, 4),
    headers=(("query-id", "corpus-id", "score"),),
)


def load_beir(data: Path, split: str, on_problem: OnProblem, negatives: Path | None) -> TextSet:
    """A part of a BEIR data set, over its whole corpus; a passage is title, space, text.

    Args:
        data: The folder with corpus.jsonl.
        split: train, dev or test; few data sets have all of them.
        on_problem: What becomes of problems.
        negatives: File of hard negatives.

    Raises:
        ValueError: If a file is missing, or has problems that are not to be skipped.
    """
    there = [part for part in SPLITS if (data / "qrels" / f"{part}.tsv").is_file()]
    remedy = (
        f"its parts are {', '.join(there)}: name another one with --split"
        if there and split not in there
        else f"name the folder of a data set of BEIR, unpacked from {BASE}NAME.zip, with --data"
    )
    paths = find_files(data, [("corpus.jsonl",), ("queries.jsonl",), (f"qrels/{split}.tsv",)], remedy)
    source = Source(
        dataset=data.resolve().name,
        split=split,
        passages=paths[0],
        queries=paths[1],
        judgements=paths[2],
        layout=_JUDGEMENTS,
        own=True,
        negatives=negatives,
    )
    return load_source(source, data.resolve().parent / CACHE, on_problem)
