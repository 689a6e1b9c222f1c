"""The gallery figures/README.md and the committed pictures, from the committed tables: `python -m figures.gallery`.

figures/out holds every figure as PDF and PNG and is not committed. Of the PNG, figures/shown holds those of the
studies on free embeddings and those that README.md shows: the same bytes, given the versions of the libraries that
are recorded beside them.
"""

import json
import os
import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import ft2font
from PIL import __version__ as pillow
from PIL import features

from figures.drawing import OUT, draw_all
from figures.evidence import Evidence
from figures.readme import SHOWN
from figures.registry import FIGURES, path_of
from figures.verdicts import all_evidence, verdict_table

FOLDER = Path(__file__).parent
PICTURES = FOLDER / "shown"
GALLERY = FOLDER / "README.md"
VERSIONS = PICTURES / "drawn-with.json"
"""What the committed pictures were drawn with."""
_HEAD = """# Figures

What this project claims, and what its committed tables say. This page is written by `python -m figures.gallery` and
nothing in it by hand; every verdict is computed from the tables named beside it:

* **confirmed**: all intervals that the claim is about lie where it says;
* **partly**: some do;
* **refuted**: none does, and some lie on the other side;
* **open**: the intervals do not decide.

Intervals are of 95 %, n is the number of seeds or starts. `make figures` draws all of it from the tables in a
minute, as PDF and PNG into `figures/out`; the pictures on this page are committed copies of these.
"""


def shown(drawn: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Of the pictures of each figure, those to commit: of training runs only those that README.md shows."""
    return {
        name: [picture for picture in pictures if not FIGURES[name].trained or f"{picture}.png" in SHOWN]
        for name, pictures in drawn.items()
    }


def gallery(pictures: Mapping[str, Sequence[str]]) -> str:
    """The text of figures/README.md.

    Args:
        pictures: Names of the committed pictures of each figure.
    """
    about = targets((FOLDER.parent / "Makefile").read_text())
    evidence = all_evidence()
    sections = [_section(name, pictures.get(name, ()), evidence[name], about) for name in FIGURES]
    return "\n".join([_HEAD, verdict_table(evidence), "", *sections])


def targets(makefile: str) -> dict[str, str]:
    """The documented targets of a makefile: name and what is said about it, its cost included."""
    return dict(re.findall(r"^([\w/-]+):.*?## (.*)$", makefile, flags=re.MULTILINE))


def drawn_with() -> dict[str, str]:
    """What the bytes of a picture depend on, beside the table and this code."""
    return {
        "matplotlib": mpl.__version__,
        "freetype": ft2font.__freetype_version__,
        "pillow": pillow,
        "zlib": str(features.version("zlib")),
        "machine": platform.machine(),
    }


def _section(name: str, pictures: Sequence[str], found: Evidence | None, about: Mapping[str, str]) -> str:
    """Claim, verdict, picture, evidence, tables, command and cost."""
    entry = FIGURES[name]
    verdict = f"**{found.verdict}**" if found else "none without its tables"
    lines = [f"## {name}", "", f"Claim: {entry.claim}", "", f"Verdict: {verdict}.", ""]
    lines += [f"![{picture}](shown/{picture}.png)\n" for picture in pictures]
    if entry.trained:
        which = "The other studies have" if pictures else "Each study has"
        lines += [f"*{which} a picture of this kind, too: `figures/out/{name}_*.png` after `make figures`.*\n"]
    links = ", ".join(
        f"[{path_of(table).name}]({os.path.relpath(path_of(table), FOLDER)})" for table in entry.tables
    )
    target = entry.command.removeprefix("make ")
    lines += [f"Evidence: {found.text}", "", *_markdown(found.table)] if found else []
    lines += [f"Tables: {links}. Command: `{entry.command}`: {about.get(target, 'not documented')}.", ""]
    return "\n".join(lines)


def _markdown(table: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, numbers to the right, with an empty one after it; none of an empty table."""
    if not table:
        return []
    header, *rows = (f"| {' | '.join(row)} |" for row in table)
    return [header, "|---" + "|---:" * (len(table[0]) - 1) + "|", *rows, ""]


def main() -> None:
    """Draw everything, keep copies of the pictures to commit, write the gallery."""
    chosen = shown(draw_all(OUT))
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    for picture in (picture for pictures in chosen.values() for picture in pictures):
        shutil.copy(OUT / f"{picture}.png", PICTURES)
    VERSIONS.write_text(json.dumps(drawn_with(), indent=2) + "\n")
    GALLERY.write_text(gallery(chosen))


if __name__ == "__main__":
    main()
