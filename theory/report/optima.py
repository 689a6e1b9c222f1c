"""What the ledger and the certificates know, as text."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from theory.bounds import finite_range, information_ceiling
from theory.bounds.population import SMALLEST_TEMPERATURE
from theory.certificates.hermite import hermite_certificate
from theory.certificates.linear_program import energy_bound
from theory.certificates.logarithms import chord_bound, log_bound, loss_bound
from theory.certificates.universal import universal_bound
from theory.codes import find_code
from theory.formulas.family import FAMILY, member
from theory.formulas.optima import simplex_etf_value
from theory.formulas.potentials import Exponential, Potential, kernel_potential
from theory.formulas.settings import chosen_settings
from theory.ledger.certify import certify
from theory.ledger.entry import Optimum
from theory.report.tables import number, table

STATUS = {
    "proved": "proved: attained, and nothing is lower",
    "proved_if_symmetric_antipodal": "proved among u = v in which every point has an antipode",
    "lower_bound": "a lower bound: nothing is lower, and perhaps nothing attains it",
    "conjectured": "conjectured: the smallest value known, by search or as a candidate",
    "refuted": "the natural candidate is refuted: the smallest value known",
}
"""The status of a ledger entry in words."""
_CERTIFIED = 65_536
"""Coordinates up to which the ledger's embeddings are made and certified, in well under a second."""
_COMPARED = 1024
"""Pairs up to which they are, as every two are compared."""
_DIFFERENTIATED = 48
"""Coordinates up to which their Hessian is computed."""


def entry_text(entry: Optimum) -> str:
    """A ledger entry, one line per field."""
    lines = [
        ("value", number(float(entry.value))),
        ("status", STATUS.get(entry.status, entry.status.replace("_", " "))),
        ("configuration", entry.configuration or "no name"),
        ("source", entry.source),
        ("lower bound", number(float(entry.lower_bound))),
        ("note", entry.note),
    ]
    return "\n".join(f"  {name:<13}  {text}" for name, text in lines if text)


def bounds_text(
    entry: Optimum, loss: str, n: int, dim: int, size: int, temperature: float, settings: dict[str, Any]
) -> str:
    """Every bound that is known for this question, largest last, and how far below an attained value it lies."""
    chosen = chosen_settings(loss, settings)
    if loss in FAMILY:
        rows = list(_log_bounds(loss, n, dim, size, temperature))
    elif loss in ("kcl", "align_uniform"):
        rows = list(_kernel_bounds(loss, n, dim, size, chosen))
    else:
        return "  The lower bound above is the only one."
    rows.sort(key=lambda row: row[1])
    attained = entry.status != "lower_bound"
    below = [f"{max(0.0, entry.value - value):.2e}" if attained else "-" for _, value, _ in rows]
    return table(
        ("bound", "value", "below the optimum", "holds for"),
        [(name, number(value), gap, scope) for (name, value, scope), gap in zip(rows, below, strict=True)],
    )


def _log_bounds(loss: str, n: int, dim: int, size: int, temperature: float) -> Iterator[tuple[str, float, str]]:
    yield "simplex", simplex_etf_value(n, size, loss=loss, temperature=temperature), "all u, v"
    if n <= dim + 1 or not member(loss).positive_in_denominator:
        return
    code = find_code(n, dim)
    if code is not None and size == n:
        yield code.name, loss_bound(code.energy(Exponential(temperature)), loss), "all u, v"
        return
    if code is None and dim > 1:
        yield "chord", chord_bound(loss, n, dim, size, temperature), "u = v"
    if size == n and dim > 1:
        energy = energy_bound(Exponential(temperature), n, dim).value
        yield "linear program", loss_bound(float(energy), loss), "all u, v"
    best = log_bound(loss, n, dim, size, temperature)
    if best.name not in ("simplex", "linear program"):
        yield best.name, float(best.value), "all u, v"


def _kernel_bounds(
    loss: str, n: int, dim: int, size: int, chosen: dict[str, Any]
) -> Iterator[tuple[str, float, str]]:
    potential, value = _energy_loss(loss, chosen)
    yield "simplex", value(float(potential(np.array(-1 / (n - 1))))), "all u, v"
    if loss == "align_uniform" and size < n:
        return
    if n > dim + 1:
        for name, bound in (
            ("universal", universal_bound(potential, n, max(2, dim))),
            ("linear program", energy_bound(potential, n, dim).value),
        ):
            if loss != "align_uniform" or bound > 0:
                yield name, value(float(bound) / (n - 1)), "all u, v"
    if (code := find_code(n, dim)) is not None:
        yield f"Hermite, {code.name}", value(code.energy(potential) / (n - 1)), "all u, v"


def _energy_loss(loss: str, chosen: dict[str, Any]) -> tuple[Potential, Callable[[float], float]]:
    """The potential of a kernel-sum loss, and the loss of aligned points by their mean energy."""
    if loss == "kcl":
        potential, gamma = kernel_potential(chosen["kernel"], chosen["parameter"]), chosen["gamma"]
        at_one = potential.at_one
        return potential, lambda energy: gamma * energy - at_one
    weight = chosen["weight"]
    return Exponential(1 / (2 * chosen["t"])), lambda energy: weight * math.log(energy)


def certificate_text(n: int, dim: int) -> str:
    """What is checked in exact arithmetic of the code of these sizes, if there is one."""
    code = find_code(n, dim)
    if code is None:
        return f"  No universally optimal code of {n} points in {dim} dimensions is known."
    checked = hermite_certificate(code)
    how = "by proof" if checked.arithmetic == "proof" else f"in exact arithmetic ({checked.arithmetic})"
    result = "passed" if checked.passed else f"failed: {checked.failures[0]}"
    return (
        f"  {code.name}: Hermite certificate, {how}, degree {checked.degree}: {result}.\n"
        "  Of all points on the sphere these have the least energy for every absolutely monotone potential: they\n"
        "  minimise KCL and uniformity, and in the full batch InfoNCE, CLIP and NT-Xent at every temperature."
    )


def information_text(n: int, dim: int, size: int, temperature: float) -> str:
    """What batches of this size can say of the mutual information, and what the full batch tends to."""
    ceiling, most = information_ceiling(size, temperature), math.log(size)
    lines = [
        f"  InfoNCE in batches of {size} certifies at most {number(ceiling)} nats of information "
        f"(log B is {most:.6g})."
    ]
    if temperature >= SMALLEST_TEMPERATURE:
        least, largest = finite_range(n, dim, temperature)
        lines.append(
            f"  The smallest InfoNCE of {n} pairs in one batch lies between {number(least)} and {number(largest)}, "
            "by uniform points."
        )
    return "\n".join(lines)


def embeddings_text(
    entry: Optimum, loss: str, n: int, dim: int, temperature: float, settings: dict[str, Any]
) -> str | None:
    """What is certain of the ledger's embeddings in the full batch; None if there are none, or too many."""
    if entry.make is None or n > _COMPARED or n * dim > _CERTIFIED or temperature <= 0:
        return None
    found = certify(
        *entry.embeddings(), loss, temperature, local=dim > 1 and n * dim <= _DIFFERENTIATED, **settings
    )
    text = f"  The ledger's embeddings: value {number(found.value)}, at most {abs(found.gap):.2e} above the minimum"
    if (local := found.local) is None:
        return f"{text}."
    kind = (
        "a strict local minimum" if local.local_minimum else "a saddle" if local.saddle else "flat or not settled"
    )
    sizes = f"gradient {local.gradient:.1e}, smallest eigenvalue {local.smallest:.1e}"
    return f"{text};\n  locally {kind} modulo rotations ({sizes})."
