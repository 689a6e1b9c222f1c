"""Records with named fields, from JSONL and Parquet files, and texts in them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from text.data.problems import EMPTY, MALFORMED, WRONG_ENCODING, Problem, Problems, shown
from text.data.reading import encoding_told, line_blocks, lines_of


def json_lines(file: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number and the object of every line that is one."""
    for first, block in line_blocks(file):
        for line, text in enumerate(lines_of(block), first):
            try:
                record = json.loads(text.decode())
            except UnicodeDecodeError as error:
                problems.add(WRONG_ENCODING, file, line, encoding_told(text, error))
            except (ValueError, RecursionError) as error:
                problems.add(MALFORMED, file, line, f"needs a JSON object, got {shown(text)} ({error})")
            else:
                if isinstance(record, dict):
                    yield line, record
                else:
                    problems.add(MALFORMED, file, line, f"needs a JSON object, got {shown(record)}")


def parquet_rows(file: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number, counted from 1, and the columns of every row.

    Raises:
        ValueError: If pyarrow is not installed, or the file is no Parquet.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise ValueError(f"{file} needs pyarrow to be read; pip install pyarrow, or write it as JSONL") from error
    first = 1
    try:
        with parquet.ParquetFile(file) as source:
            for batch in source.iter_batches():
                try:
                    yield from enumerate(batch.to_pylist(), first)
                except UnicodeDecodeError:
                    yield from _readable_rows(file, batch, first, problems)
                first += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{file} must be a whole Parquet file, got {error}; write it again") from error


def _readable_rows(file: Path, batch: Any, first: int, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    """Those that are UTF-8; the format does not make sure of it."""
    for i in range(batch.num_rows):
        try:
            (record,) = batch.slice(i, 1).to_pylist()
        except UnicodeDecodeError as error:
            problems.add(WRONG_ENCODING, file, first + i, encoding_told(error.object, error))
        else:
            yield first + i, record


def text_in(record: Mapping[str, Any], *keys: str) -> str:
    """The text under the first of these keys that there is; numbers are taken for texts.

    Raises:
        Problem: If there is none, or it is empty.
    """
    key = next((key for key in keys if key in record), None)
    if key is None:
        raise Problem(MALFORMED, f"needs the key {' or '.join(map(repr, keys))}, got {shown(list(record))}")
    return checked_text(record[key], key)


def checked_text(value: object, name: str) -> str:
    """A text that is one, and can be written as UTF-8.

    Raises:
        Problem: If it is not, or empty.
    """
    if value is None:
        raise Problem(EMPTY, f"needs the {name} not to be empty, got none")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise Problem(MALFORMED, f"needs a text as {name}, got {shown(value)}")
    if not value.strip():
        raise Problem(EMPTY, f"needs the {name} not to be empty, got {shown(value)}")
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise Problem(WRONG_ENCODING, f"needs whole characters, got half of a surrogate pair in {shown(value)}")
    return value
