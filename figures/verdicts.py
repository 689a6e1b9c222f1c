"""The claims of all figures, and what the committed tables say about them."""

from collections.abc import Mapping

from figures.evidence import Evidence
from figures.registry import FIGURES


def all_evidence() -> dict[str, Evidence | None]:
    """What the committed tables say about the claim of each figure; None where one of its tables is missing."""
    return {name: None if entry.missing() else entry.evidence(entry.read()) for name, entry in FIGURES.items()}


def verdict_table(evidence: Mapping[str, Evidence | None], link: str = "") -> str:
    """A line for each claim.

    Args:
        evidence: Of each figure.
        link: Where the sections of the gallery are: "" in the gallery itself.
    """
    lines = ["| figure | claim | verdict |", "|---|---|---|"]
    for name, found in evidence.items():
        entry = FIGURES[name]
        verdict = f"**{found.verdict}**" if found else f"no table yet: `{entry.command}`"
        lines.append(f"| [{name}]({link}#{name}) | {entry.claim} | {verdict} |")
    return "\n".join(lines)
