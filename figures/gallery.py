"""The gallery figures/README.md and the committed pictures, from the committed tables: `python -m figures.gallery`.

figures/out holds every figure as PDF and PNG and is not committed. Of the PNG, figures/shown holds those of the
studies on free embeddings and those that README.md shows: the same bytes, given the versions of the libraries that
are recorded beside them.
"""

import argparse
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
_NUMBER = r"(> |< |at least |not in )?[-+]?\d|\[|–$"
"""How a cell with a number, an interval or the lack of one begins."""
_HEAD = """# Figures

What this project claims, and what its committed tables say. This page is written by `python -m figures.gallery` and
nothing in it by hand; every verdict is computed from the tables named beside it:

* **confirmed**: all intervals that the claim is about lie where it says;
* **partly**: some do;
* **refuted**: none does, and some lie on the other side;
* **open**: the intervals do not decide.

Intervals are of 95 %, n is the number of seeds or starts; "–" in a table: there is no such number. `make figures`
draws all of it from the tables in a minute, as PDF and PNG into `figures/out`; the pictures on this page are
committed copies of these. What makes the tables, and the time that it takes:
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
    commands = dict.fromkeys(entry.command for entry in FIGURES.values())
    costs = [[f"`{one}`", about.get(one.removeprefix("make "), "not documented")] for one in commands]
    evidence = all_evidence()
    sections = [_section(name, pictures.get(name, ()), evidence[name]) for name in FIGURES]
    return "\n".join([_HEAD, *markdown([["command", "makes"], *costs]), verdict_table(evidence), "", *sections])


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


def _section(name: str, pictures: Sequence[str], found: Evidence | None) -> str:
    """Picture, claim, verdict, evidence, tables and the command that makes them."""
    entry = FIGURES[name]
    verdict = f"**{found.verdict}**" if found else "none without its tables"
    links = ", ".join(
        f"[{path_of(table).name}]({os.path.relpath(path_of(table), FOLDER)})" for table in entry.tables
    )
    lines = [f"## {name}", "", *(f"![{picture}](shown/{picture}.png)\n" for picture in pictures)]
    if entry.trained:
        which = "The other studies have" if pictures else "Each study has"
        lines += [f"*{which} a picture of this kind, too: `figures/out/{name}_*.png` after `make figures`.*\n"]
    lines += [f"Claim: {entry.claim}", "", f"Verdict: {verdict}.", ""]
    lines += [f"Evidence: {found.text}", "", *markdown(found.table)] if found else []
    lines += [f"Tables: {links}, by `{entry.command}`.", ""]
    return "\n".join(lines)


def markdown(table: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, columns of numbers to the right, with an empty one after it; none of an empty table."""
    if not table:
        return []
    header, *rows = table
    numbers = [all(re.match(_NUMBER, row[place]) for row in rows) for place in range(len(header))]
    bars = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in (header, *rows)]
    sides = "".join(f"|---{':' if number else ''}" for number in numbers)
    first, *others = (f"| {bar} |" for bar in bars)
    return [first, f"{sides}|", *others, ""]


def main() -> None:
    """Draw everything, keep copies of the pictures to commit, write the gallery."""
    argparse.ArgumentParser(prog="python -m figures.gallery", description=__doc__).parse_args()
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
