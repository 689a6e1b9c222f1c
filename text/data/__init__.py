"""Data sets of texts, whichever files they come in."""

from text.data.texts import Lists, Texts
from text.data.textset import TextSet

__all__ = ["Lists", "TextSet", "Texts"]
