"""The command line of `python -m theory`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from theory.formulas.settings import SETTINGS
from theory.report import answer, listing

_DESCRIPTION = """What is optimal, who proved it, and which batches suffice.

python -m theory 64 64 --B 8 asks for N = 64 pairs in d = 64 dimensions, in batches of 8."""

_Float = Annotated[float | None, tyro.conf.arg(metavar="FLOAT")]


@dataclass(frozen=True)
class Question:
    """A question to the theory."""

    n_pairs: Annotated[int | None, tyro.conf.Positional, tyro.conf.arg(metavar="N")] = None
    """Number of pairs."""
    dim: Annotated[int | None, tyro.conf.Positional, tyro.conf.arg(metavar="d")] = None
    """Dimension of the embeddings."""
    loss: str = "clip_sum"
    """Loss; `--list` names all."""
    batch_size: Annotated[int | None, tyro.conf.arg(aliases=["--B"], metavar="INT")] = None
    """Batch size B; the full batch alone if left out."""
    temperature: Annotated[float, tyro.conf.arg(aliases=["--tau"])] = 1.0
    """Temperature tau."""
    starts: int = 0
    """Where no minimum is proved, search from this many random starts, too."""
    kernel: Annotated[str | None, tyro.conf.arg(metavar="STR")] = None
    """Kernel of kcl: gaussian, imq, log or riesz."""
    parameter: _Float = None
    """Parameter of the kernel."""
    gamma: _Float = None
    """Weight of the energy of kcl."""
    alpha: _Float = None
    """Exponent of the alignment of align_uniform."""
    t: _Float = None
    """Sharpness of the uniformity of align_uniform."""
    weight: _Float = None
    """Weight of the uniformity of align_uniform."""
    n_classes: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Number of equal classes of supcon."""
    base_temperature: _Float = None
    """Base temperature of supcon."""
    bias: _Float = None
    """Bias of siglip."""
    log_noise: _Float = None
    """Logarithm of the noise of nce."""
    list: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the losses and the codes that are known, nothing else."""

    def settings(self) -> dict[str, Any]:
        """The settings of the loss that were given."""
        names = {name for options in SETTINGS.values() for name in options}
        return {name: getattr(self, name) for name in sorted(names) if getattr(self, name) is not None}


def respond(question: Question) -> str:
    """The text that answers a question.

    Raises:
        ValueError: if there is no answer; the message says why, and what comes nearest.
    """
    if question.list:
        return listing()
    if question.n_pairs is None or question.dim is None:
        raise ValueError("N and d must be given, as in `python -m theory 64 64 --B 8`; or ask for --list")
    return answer(
        question.loss,
        question.n_pairs,
        question.dim,
        question.batch_size,
        question.temperature,
        starts=question.starts,
        **question.settings(),
    )


def main(argv: Sequence[str]) -> None:
    """Answer a question; one without an answer is one line on stderr and status 2."""
    question = tyro.cli(Question, args=list(argv), prog="python -m theory", description=_DESCRIPTION)
    try:
        text = respond(question)
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from error
    sys.stdout.write(text + "\n")
