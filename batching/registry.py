"""Selection rules by the name of their method."""

from typing import Any

from batching.algorithms.swaps import Swaps
from batching.methods import METHODS
from batching.plan import Selection
from batching.rules.adjusted import Adjusted
from batching.settings import Settings

SELECTIONS: tuple[str, ...] = tuple(METHODS)
"""The names that every command line offers."""

ALIASES: dict[str, str] = {alias: name for name, method in METHODS.items() for alias in method.aliases}
"""Other names: those in the code of Cho et al. (f, s, NcB, osgd_NcB, sc_even), and those of papers."""


def make_selection(name: str, **settings: Any) -> Selection:
    """The selection rule of this name, or of this alias, with its knobs.

    Args:
        name: One of `SELECTIONS` or `ALIASES`.
        **settings: Those of `Settings`; `loss` and `temperature` are needed. What a method does not heed may stand
            at any value, so that one configuration serves all, but for a teacher or a reference.

    Raises:
        ValueError: If the name is unknown, or a setting does not fit it.
        TypeError: If there is no such setting.
    """
    name, given = canonical_name(name), Settings(**settings)
    method = METHODS[name]
    for setting, used in (("teacher", given.guards.by_similarity), ("reference", False)):
        if getattr(given, setting) is not None and setting not in method.heeds and not used:
            others = [other for other in SELECTIONS if setting in METHODS[other].heeds]
            raise ValueError(
                f"{name} has no use for a {setting}; leave it out, or choose one of {', '.join(others)}"
            )
    if given.refresh > 1 and method.scope == "step":
        raise ValueError(
            f"{name} picks every batch with the weights of the moment, got refresh {given.refresh}; set 1"
        )
    rule = method.make(given)
    communities = 1 if given.communities is None and not method.joined else given.communities
    if communities == 1 and given.random_fraction == 0 and given.refresh == 1 and not given.guards.active:
        return rule
    if name in ("full", "all"):
        raise ValueError(f"{name!r} has nothing to adjust; leave out communities, random_fraction, guards, refresh")
    swaps = None if method.towards == "neither" else Swaps(given.temperature, towards=method.towards)
    return Adjusted(
        rule, communities, given.random_fraction, given.guards, given.refresh, swaps, features=given.teacher
    )


def canonical_name(name: str) -> str:
    """The name of a selection in this project, from itself or from an alias.

    Raises:
        ValueError: If there is none.
    """
    known = ALIASES.get(name, name)
    if known not in METHODS:
        raise ValueError(
            f"selection must be one of {', '.join(SELECTIONS)} (or the alias {', '.join(ALIASES)}), got {name!r}"
        )
    return known
