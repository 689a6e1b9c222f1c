"""Settings as plain words and numbers, and back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

Config = TypeVar("Config")


def from_json(kind: type[Config], record: Mapping[str, Any]) -> Config:
    """The dataclass of this kind that `dataclasses.asdict` and JSON made this record of.

    Raises:
        ValueError: If it has fields that there are no longer.
    """
    types = get_type_hints(kind)
    if unknown := sorted(record.keys() - {field.name for field in fields(kind)}):  # pyright: ignore[reportArgumentType]
        raise ValueError(
            f"the run has settings that this version has not: {', '.join(unknown)}; evaluate it with its own"
        )
    return kind(**{name: _value(value, types[name]) for name, value in record.items()})


def read_result(folder: Path) -> dict[str, Any] | None:
    """What a finished run found, its result.json; None where there is none."""
    path = folder / "result.json"
    return json.loads(path.read_text()) if path.exists() else None


def parsed_settings(words: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE words as a dictionary; a value is a number, true, false, none or a word.

    Raises:
        ValueError: If a word is not of this form.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (equals and name.isidentifier()):
            raise ValueError(f"settings of the loss must be NAME=VALUE, got {word!r}; gamma=0.5 for instance")
        if name in ("temperature", "group", "reduction"):
            raise ValueError(
                f"loss_settings must not set {name}, got {word!r}; it has a setting of its own or none"
            )
        found[name] = _WORDS[value.lower()] if value.lower() in _WORDS else _number(value)
    return found


_WORDS = {"true": True, "false": False, "none": None}


def _number(word: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _value(value: Any, kind: Any) -> Any:
    """A value of this type from what JSON made of it."""
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, Mapping):
        return from_json(kind, value)
    if isinstance(value, str) and (kind is Path or Path in get_args(kind)):
        return Path(value)
    return tuple(value) if isinstance(value, list) else value
