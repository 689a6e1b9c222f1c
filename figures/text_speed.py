"""The README's table of training steps on texts, against sentence-transformers' trainer."""

from typing import Any

import pandas as pd

_WAYS = {
    "ours": "ours",
    "tokens": "sentence-transformers, texts tokenised before",
    "texts": "sentence-transformers, as most use it",
    "texts, workers": "the same, with worker processes",
}


def text_speed_block(results: pd.DataFrame) -> str:
    """Steps per case, and what chosen batches add to the time of an epoch.

    Args:
        results: A table of `python -m benchmarks.text`.
    """
    rows = results.to_dict("records")
    plain = [row for row in rows if row["selection"] == "shuffled"]
    ours = [row for row in plain if row["way"] == "ours"]
    heads = [f"{_head(row)}: pairs/s | time" for row in ours]
    lines = [f"| training MiniLM-L6 with `mnrl` | {' | '.join(heads)} |", "|---" * (1 + 2 * len(ours)) + "|"]
    for way in dict.fromkeys(row["way"] for row in plain):
        cells = [_WAYS[way]]
        for row in plain:
            if row["way"] == way:
                cells += [f"{row['pairs_per_second']:.3g}", f"{row['ratio']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    floors = ", ".join(f"{row['over_floor']:.1f}" for row in ours)
    return (
        "Whole steps side by side: the same weights, batches, precision, loss and optimiser "
        f"({rows[0]['data']}); time in multiples of ours:\n\n" + "\n".join(lines) + "\n\n"
        f"Ours takes {floors} times (in the order of the columns) what the arithmetic of the true tokens takes at "
        f"the speed of a large matrix product{_padding(plain)}."
        f"{_selections([row for row in rows if row['selection'] != 'shuffled'])}\n\n{_where(rows[0])}"
    )


def _head(row: dict[str, Any]) -> str:
    return f"{row['precision']}, batches of {row['batch_size']}"


def _padding(plain: list[dict[str, Any]]) -> str:
    found = sorted(row["padding"] for row in plain if row["way"] != "ours")
    if not found:  # ours alone was measured
        return ""
    low, high = f"{found[0]:.1f}", f"{found[-1]:.1f}"
    return f"; padding makes {low if low == high else f'{low} to {high}'} tokens of each in the other trainer"


def _selections(rows: list[dict[str, Any]]) -> str:
    """What planning costs."""
    if not rows:
        return ""
    parts = " and ".join(f"{100 * (row['ratio'] - 1):.0f} % with `{row['selection']}`" for row in rows)
    return (
        f" Choosing batches anew in every epoch makes it longer by {parts} ({_head(rows[0])}); embedding all pairs "
        f"is {100 * rows[0]['embed_share']:.0f} %."
    )


def _where(row: dict[str, Any]) -> str:
    """What it was measured on."""
    return f"{row['device']}, Python {row['python']}, torch {row['torch']}, {row['date']}; commit {row['commit']}."
