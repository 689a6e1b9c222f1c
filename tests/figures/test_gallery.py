"""The gallery: every figure has tables, every table a command, every study a figure; pictures are reproduced."""

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from figures import registry, verdicts
from figures.drawing import save
from figures.evidence import Evidence
from figures.gallery import GALLERY, PICTURES, VERSIONS, drawn_with, gallery, markdown, shown, targets
from figures.readme import SHOWN
from figures.registry import FIGURES, path_of
from figures.style import use_style
from figures.table import DATA
from figures.verdicts import all_evidence, verdict_table

ROOT = Path(__file__).parent.parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()

TOLERANCE = 0.015
"""matplotlib 3.9 (FreeType 2.6) differs from 3.11 (2.14) by up to 0.01, the curves of d = 4 from d = 16 by 0.03."""


def recipe(target: str) -> str:
    """The lines of a target of the Makefile."""
    found = re.search(rf"^{re.escape(target)}:.*\n((?:\t.*\n)+)", MAKEFILE, flags=re.MULTILINE)
    assert found, f"the Makefile has no {target}"
    return found[1]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """What is committed, drawn anew: the folder, and the names by figure."""
    folder = tmp_path_factory.mktemp("drawn")
    use_style()
    names = {}
    for name, entry in FIGURES.items():
        if entry.missing() or (entry.trained and not any(picture.startswith(f"{name}_") for picture in SHOWN)):
            continue
        for picture, figure in entry.pictures(entry.read()):
            names.setdefault(name, []).append(picture)
            if not entry.trained or f"{picture}.png" in SHOWN:
                save(figure, folder, picture, pdf=False)
            plt.close(figure)
    return folder, names


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_a_claim_tables_and_a_command(name):
    entry = FIGURES[name]
    assert re.fullmatch(r"[A-Z].*\.", entry.claim, flags=re.DOTALL), "a claim is a sentence"
    assert entry.tables
    assert entry.missing() == [], f"`{entry.command}` makes these"
    target = entry.command.removeprefix("make ")
    assert entry.command == f"make {target}"
    assert target in targets(MAKEFILE), "a command is a documented target of the Makefile"
    assert "figures" in recipe(target), "and brings the gallery up to date"


def test_every_table_is_shown():
    used = {path_of(table) for entry in FIGURES.values() for table in entry.tables}
    assert set(DATA.glob("*.csv")) <= used


def test_every_module_of_a_figure_is_registered():
    modules = {path.stem for path in DATA.parent.glob("*.py") if re.search(r"^CLAIM\b", path.read_text(), re.M)}
    kinds = {f"trained_{name.split('_', 1)[1]}" for name, entry in FIGURES.items() if entry.trained}
    assert modules - {"registry"} == {name for name, entry in FIGURES.items() if not entry.trained} | kinds


def test_every_study_has_a_command_and_a_figure():
    from synthetic.presets import CATALOGUE

    on_gpu = re.search(r"^GPU_STUDIES = (.*)$", MAKEFILE, flags=re.MULTILINE)
    assert on_gpu
    assert set(on_gpu[1].split()) == {name for name, study in CATALOGUE.items() if study.where == "gpu"}
    assert "$(GPU_STUDIES)" in recipe("results-gpu")
    assert "synthetic.sweep cpu" in recipe("results")
    tables = {table: entry.command for entry in FIGURES.values() for table in entry.tables}
    for preset, study in CATALOGUE.items():
        wanted = "make results-gpu" if study.where == "gpu" else "make results"
        for kind in {cell.kind for cell in study.cells.values()}:  # "selection-race" is in selection_needed.csv
            first = kind.split("-")[0]
            commands = {command for table, command in tables.items() if table.split("_")[0] == first}
            assert commands, f"the cells {kind} of {preset} have no figure"
            assert wanted in commands, f"no figure of {kind}, of {preset}, says `{wanted}`"


def test_pictures_are_reproduced(drawn):
    """Byte for byte with the libraries that drew the committed ones; with others, nearly the same picture.

    Another version of a library may set letters a pixel elsewhere, which moves the axes, too: then it is compared
    how dark the parts of the picture are.
    """
    folder, _ = drawn
    committed = {path.name for path in PICTURES.glob("*.png")}
    assert committed == {path.name for path in folder.glob("*.png")}, "python -m figures.gallery copies them"
    same = json.loads(VERSIONS.read_text()) == drawn_with()
    for name in sorted(committed):
        if same:
            assert (folder / name).read_bytes() == (PICTURES / name).read_bytes(), name
        else:
            assert difference(folder / name, PICTURES / name) < TOLERANCE, name


def difference(first: Path, second: Path) -> float:
    """The mean difference in darkness, from 0 to 1, of 12 x 12 parts; 1 for pictures of other shapes."""
    with Image.open(first) as one, Image.open(second) as other:
        if any(abs(a - b) > 0.03 * a for a, b in zip(one.size, other.size, strict=True)):
            return 1.0
        grey = [picture.convert("L").resize((12, 12), Image.Resampling.BOX) for picture in (one, other)]
    small = [np.asarray(picture, dtype=float) for picture in grey]
    return float(np.abs(small[0] - small[1]).mean() / 255)


def test_pictures_that_differ_are_told_apart(drawn):
    """What the comparison across versions can see: another figure, another problem; not another dash."""
    folder, _ = drawn
    curves = [folder / f"gap_curves_N8_d{dim}_B2.png" for dim in (4, 16)]
    assert difference(curves[0], folder / "selection_cost.png") == 1
    assert TOLERANCE < difference(*curves) < 1
    assert difference(curves[0], curves[0]) == 0


def test_committed_pictures_are_small_and_shown():
    text = GALLERY.read_text()
    for path in PICTURES.glob("*.png"):
        assert path.stat().st_size <= 200 * 1024, path.name
        assert f"(shown/{path.name})" in text
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (GALLERY.parent / link).exists(), link


def test_the_gallery_is_up_to_date(drawn):
    assert gallery(shown(drawn[1])) == GALLERY.read_text(), "python -m figures.gallery writes it anew"


def test_a_changed_table_changes_the_evidence(tmp_path, monkeypatch):
    monkeypatch.setattr(verdicts, "FIGURES", {"gap_curves": FIGURES["gap_curves"]})
    for path in DATA.glob("*.csv"):
        (tmp_path / path.name).symlink_to(path)
    before = all_evidence()["gap_curves"]
    results = tmp_path / "synthetic_results.csv"
    text = results.read_text()
    results.unlink()
    results.write_text(text.replace(",osgd,64,", ",osgd,63,"))
    monkeypatch.setattr(registry, "DATA", tmp_path)
    after = all_evidence()["gap_curves"]
    assert before
    assert after
    rows = [row for table in (before.table, after.table) for row in table if "Ordered SGD" in row]
    assert [row[3] for row in rows] == ["64", "64", "63", "63"], "n"
    results.unlink()
    assert all_evidence()["gap_curves"] is None
    assert "no table yet: `make results`" in verdict_table({"gap_curves": None})


def test_tables_are_markdown():
    rows = [("case", "gap |x|", "95 % interval", "n"), ("a", "> 1", "[0, 1]", "3"), ("3 b|c", "–", "–", "4")]
    assert markdown(rows) == [
        "| case | gap \\|x\\| | 95 % interval | n |",
        "|---|---:|---:|---:|",
        "| a | > 1 | [0, 1] | 3 |",
        "| 3 b\\|c | – | – | 4 |",
        "",
    ]
    assert markdown(()) == []


def test_a_section_is_a_picture_a_claim_a_verdict_the_evidence_and_its_tables(monkeypatch):
    name, found = "kernels", Evidence("partly", "A finding.", [("loss", "n"), ("kcl", "3")])
    monkeypatch.setattr("figures.gallery.FIGURES", {name: FIGURES[name]})
    monkeypatch.setattr("figures.gallery.all_evidence", lambda: {name: found})
    head, section = gallery({name: ["kernels"]}).split("## kernels\n\n")
    assert section == (
        f"![kernels](shown/kernels.png)\n\nClaim: {FIGURES[name].claim}\n\nVerdict: **partly**.\n\n"
        "Evidence: A finding.\n\n| loss | n |\n|---|---:|\n| kcl | 3 |\n\n"
        "Tables: [kernels.csv](data/kernels.csv), by `make results`.\n"
    )
    assert f"| `make results` | {targets(MAKEFILE)['results']} |" in head, "what commands cost is told once"


def test_commands_say_what_they_do_and_cost():
    about = targets("a: b ## does this (an hour)\n\tpython\nc:\n\tpython\ndata/x: ## gets that\n")
    assert about == {"a": "does this (an hour)", "data/x": "gets that"}
    for target in ("results", "results-gpu", "results-vision", "results-text", "figures"):
        assert re.search(r"minute|hour", targets(MAKEFILE)[target], re.IGNORECASE), target
