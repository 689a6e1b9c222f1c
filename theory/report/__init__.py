"""What `python -m theory` prints: the ledger, the bounds and the designs as tables of text."""

from typing import Any

from theory.certificates.hermite import hermite_certificate
from theory.codes import CODES
from theory.formulas.family import FAMILY
from theory.formulas.settings import SETTINGS
from theory.ledger import COUNTEREXAMPLES, optimum
from theory.report.batches import batches_text
from theory.report.optima import bounds_text, certificate_text, embeddings_text, entry_text, information_text
from theory.report.tables import number, table

__all__ = ["answer", "listing"]


def answer(
    loss: str,
    n_pairs: int,
    dim: int,
    batch_size: int | None,
    temperature: float,
    *,
    starts: int = 0,
    **settings: Any,
) -> str:
    """The whole answer to a question; the errors are those of `optimum`."""
    sizes = [None] if batch_size in (None, n_pairs) else [None, batch_size]
    entries = {
        size: optimum(loss, n_pairs, dim, size, temperature, starts=starts, **settings) for size in reversed(sizes)
    }
    shown = embeddings_text(entries[None], loss, n_pairs, dim, temperature, settings)
    parts = []
    for size in sizes:
        entry = entries[size]
        what = "full batch" if size is None else f"mean over all C({n_pairs}, {size}) batches"
        parts += [f"Optimum, {what}", entry_text(entry), "", f"Bounds, {what}"]
        parts += [bounds_text(entry, loss, n_pairs, dim, size or n_pairs, temperature, settings), ""]
    parts += ["Certificate", certificate_text(n_pairs, dim), *filter(None, [shown])]
    if batch_size is not None:
        if loss in FAMILY:
            parts += ["", "Information", information_text(n_pairs, dim, batch_size, temperature)]
        parts += ["", "Which batches suffice", batches_text(loss, n_pairs, dim, batch_size, temperature)]
    sizes_asked = f"{n_pairs} pairs in {dim} dimensions"
    return "\n".join([f"{loss}, {sizes_asked}, temperature {temperature:g}", "", *parts])


def listing() -> str:
    """The losses and their settings, the table of codes, and that of the counterexamples."""
    losses = [
        (name, ", ".join(f"{key} = {value}" for key, value in options.items()))
        for name, options in SETTINGS.items()
    ]
    codes = [
        (
            code.name,
            str(code.dim),
            number(code.n_points),
            ", ".join(f"{cosine:.4g} ({count})" for cosine, count in code.similarities),
            "yes" if code.universally_optimal else "no",
            "passed" if hermite_certificate(code).passed else "failed",
        )
        for code in CODES
    ]
    lower = [
        (
            found.loss,
            *(number(size) for size in (found.n_pairs, found.dim, found.temperature)),
            "full" if found.batches is None else f"{len(found.batches)} of {found.batches.shape[1]}",
            found.expected,
            number(found.candidate),
            found.found,
            number(found.value),
        )
        for found in COUNTEREXAMPLES
    ]
    head = ("code", "d", "N", "cosine (how many)", "universally optimal", "exact certificate")
    return "\n".join(
        [
            "Losses",
            table(("loss", "settings"), losses),
            "",
            "Codes, beside the simplex (N <= d + 1), the cross-polytope (N = 2 d) and regular polygons (d = 2)",
            table(head, codes),
            "",
            "Counterexamples: embeddings with a loss that is at most that of the natural candidate",
            table(("loss", "N", "d", "tau", "batches", "candidate", "its value", "what is lower", "value"), lower),
        ]
    )
