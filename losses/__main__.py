"""The losses as a table: `python -m losses`, and `python -m losses README.md` to put it there."""

import re
import sys
from pathlib import Path

from losses.registry import LOSSES, Entry

BEGIN, END = "<!-- losses:begin -->", "<!-- losses:end -->"


def table() -> str:
    """Markdown, a row for each loss."""
    lines = ["| name | loss of a pair | defaults | note | source |", "|---|---|---|---|---|"]
    lines += [
        "| " + " | ".join(cell.replace("|", r"\|") for cell in _cells(name, entry)) + " |"
        for name, entry in LOSSES.items()
    ]
    return "\n".join(lines)


def _cells(name: str, entry: Entry) -> list[str]:
    return [f"`{name}`", entry.formula, _defaults(entry), _note(entry), entry.source]


def _defaults(entry: Entry) -> str:
    values = {"temperature": "tau", **{name: name for name in entry.settings if name != "temperature"}}
    shown = [
        f"{word} {value:.3g}" if isinstance(value, float) else f"{word} {value}"
        for name, word in values.items()
        if (value := entry.settings.get(name)) not in (None, "", False)
    ]
    return ", ".join(shown)


def _note(entry: Entry) -> str:
    return "; ".join(part for part in (entry.relation, f"needs {entry.needs}" if entry.needs else "") if part)


def main(arguments: list[str]) -> None:
    """Print the table, or write it into a file between its marks."""
    if not arguments:
        sys.stdout.write(table() + "\n")
        return
    page = Path(arguments[0])
    text = page.read_text()
    if BEGIN not in text or END not in text:
        raise SystemExit(f"error: {page} must have the lines {BEGIN} and {END}, the table goes between them")
    block = f"{BEGIN}\n{table()}\n{END}"
    page.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: block, text, flags=re.DOTALL))


if __name__ == "__main__":
    main(sys.argv[1:])
