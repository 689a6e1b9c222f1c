"""Command lines: a dataclass is the options, the text below each field its help."""

import inspect
from collections.abc import Sequence
from dataclasses import is_dataclass, replace
from typing import Annotated, TypeVar

import tyro
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructFieldSpec, StructTypeInfo

Config = TypeVar("Config")


def cli(config: type[Config], argv: Sequence[str], *, prog: str, description: str | None = None) -> Config:
    """The configuration that a command line asks for.

    Args:
        config: A dataclass; its fields are the options, the text below each is its help.
        argv: The words of the command line.
        prog: What the command is called.
        description: What --help begins with; the docstring of the dataclass if left out.
    """
    with readable_help():
        return tyro.cli(config, args=list(argv), prog=prog, description=description)


def readable_help() -> ConstructorRegistry:
    """How tyro reads dataclasses within this context: as it does, but for help without line breaks and fewer flags.

    By itself it keeps the line breaks of the source where a line begins with a space, as continued docstrings do.
    """
    registry = ConstructorRegistry()
    asking = False

    @registry.struct_rule
    def _dataclass(info: StructTypeInfo) -> StructConstructorSpec | None:
        nonlocal asking
        if asking or not is_dataclass(info.type):
            return None
        asking = True
        try:
            spec = ConstructorRegistry.get_struct_spec(info)  # tyro's own
        finally:
            asking = False
        if not isinstance(spec, StructConstructorSpec):
            return None
        return replace(spec, fields=tuple(_readable(field) for field in spec.fields))

    return registry


def _readable(field: StructFieldSpec) -> StructFieldSpec:
    """The same field; a flag that is off has no --no-flag, one that is on has both."""

    def help_text() -> str | None:
        text = field.helptext() if callable(field.helptext) else field.helptext
        nested = field.type if is_dataclass(field.type) else type(field.default)
        if text is None and is_dataclass(nested):
            text = nested.__doc__
        return None if text is None else unwrapped(text)

    off = field.default is False
    return replace(
        field,
        type=Annotated[field.type, tyro.conf.FlagCreatePairsOff] if off else field.type,
        helptext=help_text,
    )


def unwrapped(text: str) -> str:
    """The text with each paragraph on one line."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
