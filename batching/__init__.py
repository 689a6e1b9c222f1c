"""Which pairs make a step: selection rules and the plans that they make. Torch, and the losses.

    rule = make_selection("spectral", loss=loss, temperature=0.1, batches_per_pool=40)
    plan = rule.plan(n_pairs, batch_size, seed=0, epoch=3, embed=embed)
    plan.batches                                # [n_batches, batch_size], numbers of pairs

`SELECTIONS` lists the names that every command line offers, `ALIASES` those of the original code.
"""

from typing import Literal

from batching.combinations import Combinations
from batching.oblivious import All, Fixed, Full, Shuffled
from batching.osgd import OrderedSGD
from batching.plan import Embed, Plan, Selection, Step
from batching.seeded import Seed, derived_seed, normals, permutation, uniforms
from batching.spectral import Spectral, pair_weights
from losses import Loss

SELECTIONS: tuple[str, ...] = ("fixed", "shuffled", "full", "all", "osgd", "spectral")
ALIASES: dict[str, str] = {
    "f": "fixed",
    "s": "shuffled",
    "full": "full",
    "NcB": "all",
    "osgd_NcB": "osgd",
    "sc_even": "spectral",
}
"""The names in the code of Cho et al."""


def make_selection(
    name: str,
    *,
    loss: Loss,
    temperature: float,
    candidates: int | None = None,
    keep: int = 1,
    batches_per_pool: int | None = None,
    replan: Literal["epoch", "pool"] = "epoch",
) -> Selection:
    """The selection rule of this name, or of this alias.

    Args:
        name: One of `SELECTIONS` or `ALIASES`.
        loss: What `osgd` scores batches with; its settings are bound, see `losses.make_loss`.
        temperature: Of the weights of `spectral`.
        candidates: For `osgd`: random batches to choose from; None for all.
        keep: For `osgd`: how many of them to train on.
        batches_per_pool: For `spectral`: batches made from one pool; None for one pool of all pairs.
        replan: For `spectral`: plan all pools at the start of an epoch, or each when its turn comes.

    Raises:
        ValueError: If the name is unknown, or `osgd` is asked for with a loss that keeps a state.
    """
    match canonical_name(name):
        case "full":
            return Full()
        case "all":
            return All()
        case "fixed":
            return Fixed()
        case "shuffled":
            return Shuffled()
        case "osgd":
            return OrderedSGD(loss, candidates=candidates, keep=keep)
        case _:
            return Spectral(temperature, batches_per_pool=batches_per_pool, replan=replan)


def canonical_name(name: str) -> str:
    """The name of a selection in this project, from itself or from an alias.

    Raises:
        ValueError: If there is none.
    """
    known = ALIASES.get(name, name)
    if known not in SELECTIONS:
        raise ValueError(
            f"selection must be one of {', '.join(SELECTIONS)} (or the alias "
            f"{', '.join(a for a in ALIASES if a not in SELECTIONS)}), got {name!r}"
        )
    return known


__all__ = [
    "ALIASES",
    "SELECTIONS",
    "All",
    "Combinations",
    "Embed",
    "Fixed",
    "Full",
    "OrderedSGD",
    "Plan",
    "Seed",
    "Selection",
    "Shuffled",
    "Spectral",
    "Step",
    "canonical_name",
    "derived_seed",
    "make_selection",
    "normals",
    "pair_weights",
    "permutation",
    "uniforms",
]
