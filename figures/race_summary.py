"""The README's table of races: updates to the optimum with designs and with shuffles."""

from typing import Any

import pandas as pd

_ARMS = [(selection, decay) for selection in ("shuffled", "design") for decay in ("constant", "cosine")]
_WORDS = {"constant": "constant rate", "cosine": "decayed"}


def race_table(needed: pd.DataFrame) -> str:
    """Updates to each gap with their intervals, and how many times more shuffles need.

    Args:
        needed: race_needed.csv.
    """
    arms = [f"{selection}, {_WORDS[decay]}" for selection, decay in _ARMS]
    header = ["N, B", "gap", *arms, "shuffled over design"]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    races: dict[tuple[int, int, float], dict[tuple[str, str], dict[str, Any]]] = {}
    for row in needed.to_dict("records"):
        goal = (row["n_pairs"], row["batch_size"], -row["target"])
        races.setdefault(goal, {})[row["selection"], row["decay"]] = row
    for (n, b, target), found in sorted(races.items()):
        cells = [_updates(found.get(arm)) for arm in _ARMS]
        lines.append(f"| {n}, {b} | {-target:g} | " + " | ".join([*cells, _ratio(found)]) + " |")
    first = needed.iloc[0].to_dict()
    commits = ", ".join(sorted(set(needed["commit"])))
    return (
        "\n".join(lines)
        + f"\n\nUpdates until the median gap over {first['n']} seeds is there, with 95 % bootstrap intervals; "
        f"each arm at its best learning rate, tuned on other seeds. {first['device']}, torch {first['torch']}, "
        f"{first['date']}; commit {commits}."
    )


def _updates(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    if pd.isna(row["updates"]):
        return f"> {row['at_most']:,}"
    if row["updates"] <= row["first"]:
        return f"≤ {row['first']:,}"
    high = "more" if pd.isna(row["high"]) else f"{row['high']:,.0f}"
    return f"{row['updates']:,.0f} [{row['low']:,.0f}, {high}]"


def _ratio(found: dict[tuple[str, str], dict[str, Any]]) -> str:
    """The fewest updates of shuffles over the fewest of designs; a bound where shuffles do not arrive."""
    fewest = {
        selection: min(
            (row["updates"] for (name, _), row in found.items() if name == selection and pd.notna(row["updates"])),
            default=None,
        )
        for selection in ("shuffled", "design")
    }
    if fewest["design"] is None:
        return ""
    if fewest["shuffled"] is None:
        made = max((row["at_most"] for (name, _), row in found.items() if name == "shuffled"), default=None)
        return "" if made is None else f"> {made / fewest['design']:.0f}"
    return f"{fewest['shuffled'] / fewest['design']:.1f}"
