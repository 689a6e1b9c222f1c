"""Refusing what cannot work before any of it starts: what is required, what was received, what to do."""

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

_Shape = tuple[int | None, ...]


def check_views(u: Tensor, v: Tensor) -> None:
    """Two views of the same pairs: floating-point rows, equally many, at least one.

    Raises:
        ValueError: If they are not.
    """
    if u.shape != v.shape:
        raise ValueError(
            f"u and v must pair row by row, so their shapes must be equal; "
            f"got {tuple(u.shape)} and {tuple(v.shape)}: pass as many rows of one as of the other"
        )
    if u.dim() < 2 or not u.shape[-2]:
        raise ValueError(f"u and v must be [..., n, dim] with n at least 1, got {tuple(u.shape)}")
    if not (u.is_floating_point() and v.is_floating_point()):
        raise ValueError(f"u and v must be floating-point numbers, got {u.dtype} and {v.dtype}: convert them")


def check_alone(u: Tensor, batches: Tensor | None, **values: Any) -> None:
    """Refuse what makes sense for one batch only, where there are leading dimensions or a table of batches.

    Raises:
        ValueError: If one of the values is not None.
    """
    if batches is None and u.dim() == 2:
        return
    for name, value in values.items():
        if value is not None:
            table = "" if batches is None else " and a table of batches"
            raise ValueError(
                f"{name} goes with one batch, u and v of shape [n, dim] and no table; "
                f"got {tuple(u.shape)}{table}: leave it out"
            )


def check_options(u: Tensor, options: Mapping[str, Any], known: Collection[str]) -> None:
    """The options of a call in the log-sum-exp family.

    Raises:
        TypeError: If there is an unknown option.
        ValueError: If a shape is wrong, or an option does not go with leading dimensions or a table of batches.
    """
    for name in options:
        if name not in known:
            raise TypeError(f"this loss has no option {name!r}; it takes {', '.join(known)}")
    given = {name: value for name, value in options.items() if value is not None}
    n, dim = u.shape[-2:]
    many = u.shape[:-1] if u.dim() > 2 else (n,)
    keys = given.get("negatives")
    shapes: dict[str, tuple[_Shape, ...]] = {
        "ids": ((n,), tuple(many)),
        "exclude": ((n, n),),
        "negatives": ((None, dim),),
        "negative_ids": ((None if keys is None else keys.shape[0],),),
    }
    for name, allowed in shapes.items():
        if name in given and not any(_fits(given[name].shape, shape) for shape in allowed):
            wanted = " or ".join(str(shape).replace("None", "any") for shape in dict.fromkeys(allowed))
            raise ValueError(
                f"{name} must have shape {wanted} for u of {tuple(u.shape)}, got {tuple(given[name].shape)}"
            )
    if "exclude" in given and given["exclude"].dtype != torch.bool:
        raise ValueError(f"exclude must be boolean, True where no negative is, got {given['exclude'].dtype}")
    if "negative_ids" in given and ("ids" not in given or keys is None):
        raise ValueError("negative_ids number the negatives as ids number the pairs: give ids and negatives too")
    batches = given.get("batches")
    check_alone(u, batches, **{k: x for k, x in given.items() if k not in {"reduction", "batches", "ids"}})


def check_positive(**values: int | float | Tensor) -> None:
    """Refuse what is not positive. Tensors on a device are taken on trust: reading one would wait for it.

    Raises:
        ValueError: If a value is 0, negative or not a number.
    """
    for name, value in values.items():
        if isinstance(value, Tensor) and (value.device.type != "cpu" or torch.compiler.is_compiling()):
            continue
        if not value > 0:
            usual = "; values in use lie between 0.01 and 1" if name == "temperature" else ""
            shown = value.item() if isinstance(value, Tensor) else value
            raise ValueError(f"{name} must be positive, got {shown}{usual}")


def check_not_negative(**values: float) -> None:
    """Refuse weights below 0.

    Raises:
        ValueError: If a value is negative or not a number.
    """
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{name} must not be negative, got {value}: 0 leaves its term out")


def _fits(shape: torch.Size, wanted: _Shape) -> bool:
    return len(shape) == len(wanted) and all(w in (None, s) for s, w in zip(shape, wanted, strict=True))
