r"""Lines of text files, plain or gzipped, their columns, and what is wrong with them.

Quotes have no meaning in TSV. Line ends may be \n or \r\n; marks of byte order are left out, and so are blank lines
at the end of a file. A block of lines without a problem is read by a few loops in C, others line by line.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import IO, cast

import numpy as np
from jaxtyping import Float64, Int64

from text.data.problems import EMPTY, MALFORMED, WRONG_ENCODING, Problems, shown
from text.data.texts import Texts

_BLOCK = 1 << 24
"""Bytes that are read at once."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SPACE_BEGINS = (0xC2, 0xE1, 0xE2, 0xE3)
"""With what white space begins in UTF-8, if it is not ASCII."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a line holds."""

    columns: Mapping[int, str]
    """The columns that are read, counted from 0, and what messages call them."""
    n_columns: range
    """How many there are."""
    separator: bytes | None = b"\t"
    """None for lines that are one column."""
    headers: tuple[tuple[str, ...], ...] = ()
    """The first line is left out where it is one of these."""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of a file, and the line that each row was in."""

    file: Path
    columns: tuple[Texts, ...]
    lines: Int64[np.ndarray, " rows"]

    def take(self, index: Int64[np.ndarray, " n"]) -> "Table":
        """The rows of these numbers."""
        return Table(self.file, tuple(column.take(index) for column in self.columns), self.lines[index])


def read_table(file: Path, layout: Layout, problems: Problems) -> Table:
    """All lines of a file.

    Raises:
        ValueError: If it cannot be opened, or is a damaged archive.

    Cost: some 5 seconds of one core for a million passages of 350 bytes; the columns are held twice for a while.
    """
    blocks = list(tables(file, layout, problems))
    columns = tuple(joined([block.columns[i] for block in blocks]) for i in range(len(layout.columns)))
    return Table(file, columns, np.concatenate([np.empty(0, np.int64), *(block.lines for block in blocks)]))


def tables(file: Path, layout: Layout, problems: Problems) -> Iterator[Table]:
    """The lines of a file, some at a time, for what need not fit into memory."""
    headers = {b"\t".join(name.encode() for name in header) for header in layout.headers}
    for first, block in line_blocks(file):
        if first == 1 and block.split(b"\n", 1)[0] in headers:
            first, block = 2, block.partition(b"\n")[2]
            if not block:
                continue
        columns = _clean_columns(block, layout)
        if columns is not None:
            yield Table(file, columns, np.arange(first, first + len(columns[0])))
            continue
        rows = [line.split(layout.separator) if layout.separator else [line] for line in lines_of(block)]
        good = [i for i, row in enumerate(rows) if _check(file, first + i, row, layout, problems)]
        columns = tuple(texts_of([rows[i][column] for i in good]) for column in layout.columns)
        yield Table(file, columns, np.array(good, np.int64) + first)


def numbers(
    table: Table, column: int, name: str, bounds: tuple[float, float], problems: Problems
) -> tuple[Table, Float64[np.ndarray, " rows"]]:
    """The rows whose column is a number within bounds, and these numbers."""
    low, high = bounds

    def number(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return float("nan")

    values = np.fromiter(map(number, table.columns[column]), np.float64, len(table.lines))
    good = np.isfinite(values) & (values >= low) & (values <= high)
    if not good.all():
        bad = np.flatnonzero(~good)
        limits = f"a number from {low:g} to {high:g}" if np.isfinite([low, high]).all() else "a number"
        problems.add_all(
            MALFORMED,
            table.file,
            table.lines[bad],
            lambda i: f"needs {limits} as {name}, got {shown(table.columns[column][int(bad[i])])}",
        )
        table, values = table.take(np.flatnonzero(good)), values[good]
    return table, values


def texts_of(parts: Sequence[bytes]) -> Texts:
    """These texts, UTF-8 already."""
    content = np.frombuffer(b"".join(parts), np.uint8)
    return Texts(content, np.fromiter(accumulate(map(len, parts), initial=0), np.int64, len(parts) + 1))


def joined(parts: Iterable[Texts]) -> Texts:
    """The texts of all, one after the other."""
    parts = list(parts)
    lengths = np.concatenate([np.zeros(1, np.int64), *(np.diff(part.offsets) for part in parts)])
    content = np.concatenate([np.empty(0, np.uint8), *(part.content for part in parts)])
    return Texts(content, np.cumsum(lengths))


def line_blocks(file: Path) -> Iterator[tuple[int, bytes]]:
    r"""Whole lines, some MB of them at a time, and the number of the first; without the last \n.

    Raises:
        ValueError: If the file cannot be read.
    """
    first, rest = 1, b""
    try:
        with cast("IO[bytes]", gzip.open(file) if file.suffix == ".gz" else file.open("rb")) as stream:
            while chunk := stream.read(_BLOCK):
                rest += chunk
                # Blank lines at the end wait for what follows them; if nothing does, they are left out.
                cut = rest.rfind(b"\n", 0, len(rest.rstrip(b"\r\n"))) + 1
                if cut:
                    yield first, _plain(rest[: cut - 1])
                    first += rest.count(b"\n", 0, cut)
                    rest = rest[cut:]
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{file} must be a file that can be read, got {error}; replace it by a good copy"
        ) from error
    if rest := _plain(rest.rstrip(b"\r\n")):
        yield first, rest


def _plain(block: bytes) -> bytes:
    r"""Without marks of byte order at the begin of a line, and \r at its end."""
    block = block.removeprefix(_BYTE_ORDER_MARK).removesuffix(b"\r")
    return block.replace(b"\r\n", b"\n").replace(b"\n" + _BYTE_ORDER_MARK, b"\n")


def lines_of(block: bytes) -> list[bytes]:
    """The lines of a block."""
    return block.split(b"\n")


def _clean_columns(block: bytes, layout: Layout) -> tuple[Texts, ...] | None:
    """The columns of a block whose lines have the same number of them; None if anything may be wrong with one."""
    try:
        block.decode()
    except UnicodeDecodeError:
        return None
    n, flat = 1, block.split(b"\n")
    if layout.separator:
        n, lines = flat[0].count(layout.separator) + 1, len(flat)
        raw = np.frombuffer(block, np.uint8)
        is_end = raw == ord("\n")
        ends = is_end[is_end | (raw == ord(layout.separator))]
        if len(ends) != n * lines - 1 or np.count_nonzero(ends[n - 1 :: n]) != lines - 1:
            return None
        flat = block.replace(b"\n", layout.separator).split(layout.separator)
    if n not in layout.n_columns:
        return None
    columns = tuple(texts_of(flat[i::n]) for i in layout.columns)
    return None if any(_has_blank(column) for column in columns) else columns


def _has_blank(texts: Texts) -> bool:
    """Whether one of them is empty or nothing but white space."""
    if not np.diff(texts.offsets).all():
        return True
    first = texts.content[texts.offsets[:-1]]
    return any(not texts[i].strip() for i in np.flatnonzero((first <= ord(" ")) | np.isin(first, _SPACE_BEGINS)))


def _check(file: Path, line: int, row: list[bytes], layout: Layout, problems: Problems) -> bool:
    """Whether a line is good; what is wrong with it is told."""
    text = (layout.separator or b"").join(row)
    try:
        text.decode()
    except UnicodeDecodeError as error:
        problems.add(WRONG_ENCODING, file, line, encoding_told(text, error))
        return False
    if len(row) not in layout.n_columns:
        n = " or ".join(map(str, layout.n_columns))
        between = "spaces" if layout.separator == b" " else "tabs"
        problems.add(
            MALFORMED, file, line, f"needs {n} columns with {between} between them, got {len(row)}: {shown(text)}"
        )
        return False
    blank = [name for i, name in layout.columns.items() if not row[i].decode().strip()]
    if blank:
        problems.add(EMPTY, file, line, f"needs the {blank[0]} not to be empty, got {shown(text)}")
    return not blank


def encoding_told(text: bytes, error: UnicodeDecodeError) -> str:
    """What is wrong with bytes that are no UTF-8."""
    found = f"byte {error.start + 1} of the line, 0x{text[error.start]:02x}"
    return f"needs UTF-8, got {found}, in {shown(text)}"
