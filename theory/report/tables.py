"""Numbers and aligned columns as text."""

from collections.abc import Sequence

Row = Sequence[str]


def table(head: Row, rows: Sequence[Row]) -> str:
    """Columns of text, aligned, two spaces in."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join("  " + "  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def number(value: int | float) -> str:
    """Ten digits; whole numbers of up to 15 digits with separators."""
    if isinstance(value, int):
        return f"{value:,}" if value < 10**15 else f"{float(value):.3e}" if value < 10**300 else "over 1e300"
    return f"{value:.10g}"
