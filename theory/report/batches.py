"""Which batches suffice, and what others reach, as text."""

from theory.bounds import (
    count_batches,
    fewest_to_cover,
    fixed_partition_variance,
    shuffled_coverage,
    shuffles_until_all_meet,
)
from theory.designs import schedule
from theory.designs.sufficient import resolvable, sufficient
from theory.formulas.family import FAMILY, member
from theory.formulas.optima import fixed_partition_range
from theory.report.tables import number, table

PAIR_SUMS = ("kcl", "spectral_contrastive")
"""Losses that are sums over pairs, the same over every 2-design as over the full batch."""


def batches_text(loss: str, n: int, dim: int, size: int, temperature: float) -> str:
    """Which batches of B suffice, what is known of fewer, and what shuffles and partitions reach instead."""
    smallest, plan = sufficient(n, size), schedule(n, size)
    kind = "resolvable 2-design" if smallest.resolvable else "2-design"
    epochs = smallest.n_batches * size // n if smallest.resolvable else None
    covered = shuffled_coverage(n, size, plan.n_classes)
    until = shuffles_until_all_meet(n, size)
    left = f", each leaves out {plan.left_out}" if plan.left_out else ""
    rows = [
        (
            "smallest built here that suffices",
            number(smallest.n_batches),
            _count(epochs),
            f"{smallest.name}, a {kind}",
        ),
        ("no 2-design has fewer than", number(smallest.at_least), "", smallest.because),
        ("fewest in which all pairs meet", number(fewest_to_cover(n, size)), "", "lower bound of Schönheim"),
        ("all batches", number(count_batches(n, size)), "", f"C({n}, {size})"),
        (
            "schedule, epoch by epoch",
            number(plan.n_batches * plan.n_classes),
            _count(plan.n_classes),
            f"{plan.name}: {plan.status}{left}",
        ),
        (
            "as many shuffles",
            number(n // size * plan.n_classes),
            _count(plan.n_classes),
            f"{covered.mean:.2%} of the pairs meet, standard deviation {covered.standard_deviation:.2%}",
        ),
        (
            "shuffles until all pairs meet",
            "",
            f"{until.lower:.1f} to {until.upper:.1f}",
            "bounds of the expected number",
        ),
    ]
    lines = [table(("batches of " + str(size), "batches", "epochs", "what"), rows)]
    once = resolvable(n, size)
    if once.status != "known":
        lines.append(f"  Every pair exactly once, in epochs of every point once: {once.status}. {once.reason}.")
    lines += [f"  {text}." for text in dict.fromkeys((once.nearest, smallest.nearest)) if text]
    lines.append(f"  {_reach(loss, n, dim, size)}")
    return "\n".join([*lines, *_partition(loss, n, dim, size, temperature)])


def _count(epochs: int | None) -> str:
    return "" if epochs is None else number(epochs)


def _reach(loss: str, n: int, dim: int, size: int) -> str:
    """What of the pair-design theorem applies."""
    if loss in PAIR_SUMS:
        return "A sum over pairs is the same over a 2-design as over the full batch, in every dimension."
    if loss not in FAMILY:
        return f"That a 2-design suffices is proved for the log-sum-exp family and sums over pairs, not for {loss}."
    if n > dim + 1:
        return (
            f"That a 2-design suffices is proved for d >= N - 1 = {n - 1} only; in d = {dim} it treats all pairs "
            "alike, as the full batch does."
        )
    if size == 2 and not member(loss).positive_in_denominator:
        return "At B = 2 this loss is linear in the similarities: the full batch's minimisers are among many more."
    return "By the pair-design theorem the mean over a 2-design has the minimisers of the full batch."


def _partition(loss: str, n: int, dim: int, size: int, temperature: float) -> list[str]:
    """What one fixed partition covers and leaves open."""
    if n % size:
        return [f"  No partition into batches of {size}: {size} does not divide {n}."]
    if size == n:
        return []
    covered = f"  A fixed partition lets {(size - 1) / (n - 1):.2%} of the pairs meet."
    if dim < size - 1:
        return [f"{covered} What its optimum is for d < B - 1 = {size - 1} is not known."]
    if loss not in (*FAMILY, "kcl", "align_uniform"):
        return [covered]
    least, most = fixed_partition_variance(n, size, dim)
    lines = [f"{covered} At its optimum the negatives have mean {-1 / (n - 1):.6g}"]
    lines.append(f"  and a variance of {least:.6g} to {most:.6g} (Lee et al. 2025, Thm 5.5), 0 at the simplex.")
    if loss in FAMILY:
        own, best, worst = fixed_partition_range(n, size, loss=loss, temperature=temperature)
        lines.append(
            f"  Its own minimum is {number(own)}; the full-batch loss there is {number(best)} to {number(worst)}."
        )
    return lines
