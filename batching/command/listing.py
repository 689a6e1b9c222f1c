"""The methods of selection as a table in Markdown, between two marks of a page."""

import re
from pathlib import Path

from batching.methods import METHODS, Method

BEGIN, END = "<!-- selections:begin -->", "<!-- selections:end -->"


def listing() -> str:
    """Markdown, a row for each method."""
    lines = ["| name | also | what a plan is | settings | source |", "|---|---|---|---|---|"]
    lines += [
        "| " + " | ".join(cell.replace("|", r"\|") for cell in _cells(name, method)) + " |"
        for name, method in METHODS.items()
    ]
    return "\n".join(lines)


def _cells(name: str, method: Method) -> list[str]:
    return [
        f"`{name}`",
        ", ".join(f"`{alias}`" for alias in method.aliases),
        method.summary + ("; chosen at each step" if method.scope == "step" else ""),
        ", ".join(method.heeds),
        method.source,
    ]


def write_listing(page: Path) -> None:
    """Put the table into a page, between the marks.

    Raises:
        ValueError: If there is no such page, or it lacks the marks.
    """
    text = page.read_text() if page.is_file() else ""
    if BEGIN not in text or END not in text:
        raise ValueError(f"{page} must have the lines {BEGIN} and {END}, the table goes between them")
    block = f"{BEGIN}\n{listing()}\n{END}"
    page.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: block, text, flags=re.DOTALL))
