"""Which numbers of trainings on texts are shown, and what they are called.

A run measures itself, as in `relevant_mrr_at_10`; `python -m text.evaluate RUN --on SET` adds numbers on others,
as in `rerank_on_msmarco-sample:dev600_n_queries_200_mrr_at_10`.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

_OF = {
    "relevant": ("mrr_at_10", "recall_at_1", "recall_at_10", "ndcg_at_10"),
    "full": ("mrr_at_10", "ndcg_at_10", "recall_at_10", "recall_at_100"),
    "rerank": ("mrr_at_10", "ndcg_at_10"),
}
_SHOWN = {
    "relevant": ("mrr_at_10", "recall_at_10"),
    "full": ("mrr_at_10", "ndcg_at_10"),
    "rerank": ("mrr_at_10",),
    "sts": ("spearman",),
}
_AMONG = {"relevant": "relevant", "full": "full", "rerank": "re-ranked", "sts": ""}
_LABELS = {
    "mrr_at_10": "MRR@10",
    "ndcg_at_10": "nDCG@10",
    "recall_at_1": "recall@1",
    "recall_at_10": "recall@10",
    "recall_at_100": "recall@100",
    "spearman": "Spearman",
}
_NUMBER = re.compile(rf"_({'|'.join([*_LABELS, 'map', 'pearson'])})$")
_NAME = re.compile(
    r"(?P<measure>relevant|full|rerank|sts)"
    r"(?:_on_(?P<set>.+?))?"
    r"(?:_n_queries_(?P<n>\d+))?"
    r"(?P<others>(?:_(?:query_tokens|max_tokens|threshold|precision)_[^_]+)*)"
    rf"_(?P<number>{'|'.join(_LABELS)})"
)

MEASURES = {
    f"{measure}_{number}": f"{_AMONG[measure]} {_LABELS[number]}" for measure, of in _OF.items() for number in of
}
"""What a run can measure on its own test set: columns and labels."""
IN_TABLES = tuple(f"{measure}_{number}" for measure, of in _SHOWN.items() if measure in _OF for number in of)
"""Those that tables show."""


def measured_elsewhere(columns: Sequence[str]) -> dict[str, str]:
    """Of the columns of numbers, those on other sets that are shown, by protocol and set, and their labels.

    Full retrieval is told by nDCG@10 on the sets of BEIR, as they are published, and by MRR@10 on others.
    """
    found = {name: match.groupdict() for name in columns if name not in MEASURES and (match := _shown(name))}
    found = dict(sorted(found.items(), key=lambda item: (list(_SHOWN).index(item[1]["measure"] or ""), item[0])))
    labels = {name: _label(parts, short=True) for name, parts in found.items()}
    same = Counter(labels.values())
    return {name: label if same[label] == 1 else _label(found[name], short=False) for name, label in labels.items()}


def left_out(words: Mapping[str, str]) -> str:
    """Of the measures of the full set, the one that is not shown for runs with these settings."""
    return "full_mrr_at_10" if words.get("dataset") == "beir" else "full_ndcg_at_10"


def among(name: str) -> tuple[str, str]:
    """The column of how many passages this measure searches, and how that is told."""
    told = "among up to {:,} candidates" if name.startswith("rerank") else "among {:,} passages"
    return _NUMBER.sub("_passages", name), told


def is_drawn(name: str) -> bool:
    """Whether figures of losses show it: one number of each protocol."""
    return not name.endswith("_recall_at_10")


def _shown(name: str) -> re.Match[str] | None:
    match = _NAME.fullmatch(name)
    if match is None or match["number"] not in _SHOWN[match["measure"]]:
        return None
    if match["measure"] == "full" and (match["number"] == "ndcg_at_10") != ("beir" in name):
        return None
    return match


def _label(parts: Mapping[str, str | None], *, short: bool) -> str:
    """As in "re-ranked dev600 (200 queries) MRR@10"."""
    measure, number = parts["measure"] or "", parts["number"] or ""
    words = [_AMONG[measure], (_short if short else str)(parts["set"] or "")]
    if parts["n"]:
        words.append(f"({int(parts['n']):,} {'pairs' if measure == 'sts' else 'queries'})")
    words += [(parts["others"] or "").strip("_").replace("_", " "), _LABELS[number]]
    return " ".join(word for word in words if word)


def _short(name: str) -> str:
    """A set by its part alone where that has a number (dev600, dl19), and without it where it is test."""
    head, _, part = name.rpartition(":")
    if not head:
        return Path(name).name
    if re.search(r"\d", part):
        return part
    return Path(head).name if part == "test" else f"{Path(head).name} {part}"
