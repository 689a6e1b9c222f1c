"""Studies of many cells: resumable, told apart, collected into tables."""

import json
import re

import pytest

from figures.table import collect, read_table
from synthetic import sweep
from synthetic.presets import CATALOGUE
from synthetic.race import Race
from synthetic.study import Study
from synthetic.sufficiency import Sufficiency
from synthetic.sweep import SweepConfig, main, parse

SIZES = {"n_pairs": 9, "dim": 9, "batch_size": 3}
CELLS = {
    "classes": Sufficiency(**SIZES, family="classes", seeds=2),
    "all": Sufficiency(**SIZES, family="all", seeds=2),
}
RACES = {
    decay: Race(**SIZES, selection="design", decay=decay, epochs=8, horizons=horizons, seeds=3, tuning_seeds=2)
    for decay, horizons in (("constant", None), ("cosine", 2))
}


@pytest.fixture
def small(monkeypatch):
    """The studies of the catalogue, with cells that take no time."""
    for name, cells in (("sufficiency", CELLS), ("design-race", RACES)):
        study = CATALOGUE[name]
        known = {field: getattr(study, field) for field in ("title", "claim", "cost", "table")}
        monkeypatch.setitem(sweep.CATALOGUE, name, Study(**known, cells=cells))


@pytest.mark.usefixtures("small")
def test_finished_cells_are_kept(tmp_path, capsys, monkeypatch):
    config = SweepConfig(preset="sufficiency", out=str(tmp_path), device="cpu")
    first = main(config)
    shown = capsys.readouterr()
    assert re.search(r"^classes +1 +3 +25\.0%", shown.out, re.MULTILINE)
    assert "classes: done" in shown.err
    monkeypatch.setattr(Sufficiency, "run", lambda *_: pytest.fail("asked again"))
    assert main(config) == first
    assert "classes: finished before" in capsys.readouterr().err


@pytest.mark.usefixtures("small")
def test_a_folder_of_other_settings_is_refused(tmp_path, monkeypatch):
    main(SweepConfig(preset="sufficiency", only="all", out=str(tmp_path), device="cpu"))
    changed = {"all": Sufficiency(**SIZES, family="all", seeds=3)}
    study = CATALOGUE["sufficiency"]
    known = {field: getattr(study, field) for field in ("title", "claim", "cost", "table")}
    monkeypatch.setitem(sweep.CATALOGUE, "sufficiency", Study(**known, cells=changed))
    with pytest.raises(ValueError, match=r"other settings \(seeds\); choose another --out"):
        main(SweepConfig(preset="sufficiency", out=str(tmp_path), device="cpu"))
    result = main(SweepConfig(preset="sufficiency", out=str(tmp_path), device="cpu", overwrite=True))
    assert result["all"]["points"][0]["n"] == 3


@pytest.mark.usefixtures("small")
def test_cells_become_tables(tmp_path):
    for preset in ("sufficiency", "design-race"):
        main(SweepConfig(preset=preset, out=str(tmp_path / "runs" / preset), device="cpu"))
    count, unfinished = collect([tmp_path / "runs"], tmp_path / "data")
    assert (count, unfinished) == (4, [])
    points = read_table(tmp_path / "data" / "sufficiency_points.csv")
    assert points.groupby("family")["n_batches"].apply(list).to_dict() == {"all": [84], "classes": [3, 6, 9, 12]}
    needed = read_table(tmp_path / "data" / "race_needed.csv")
    assert sorted(needed["target"].unique()) == [1e-4, 1e-3, 1e-2]
    assert set(needed["decay"]) == set(read_table(tmp_path / "data" / "race_curves.csv")["decay"]) == set(RACES)
    before = {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    collect([tmp_path / "runs"], tmp_path / "data")
    assert {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()} == before


@pytest.mark.usefixtures("small")
def test_a_cell_is_a_run_folder(tmp_path):
    main(SweepConfig(preset="design-race", only="constant", out=str(tmp_path), device="cpu"))
    stamp = json.loads((tmp_path / "constant" / "config.json").read_text())
    assert stamp["experiment"] == "race"
    assert stamp["config"]["selection"] == "design"
    assert stamp["config"]["targets"] == [1e-2, 1e-3, 1e-4]
    assert json.loads((tmp_path / "constant" / "result.json").read_text())["status"] == "done"


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_study_says_what_it_is(name):
    study = CATALOGUE[name]
    assert study.title
    assert study.claim.endswith(".")
    assert study.cells
    assert len({cell.kind for cell in study.cells.values()}) == 1


@pytest.mark.usefixtures("small")
def test_two_workers_find_what_one_does(tmp_path, monkeypatch):
    """And are not started where all is finished."""
    one, two = (
        main(SweepConfig(preset="sufficiency", out=str(tmp_path / str(n)), device="cpu", workers=n)) for n in (1, 2)
    )
    assert {name: found["points"] for name, found in one.items()} == {
        name: found["points"] for name, found in two.items()
    }
    monkeypatch.setattr(sweep.ProcessPoolExecutor, "submit", lambda *_, **__: pytest.fail("started"))
    assert main(SweepConfig(preset="sufficiency", out=str(tmp_path / "2"), device="cpu", workers=2)) == two


def test_the_list_says_what_each_costs(capsys):
    assert main(parse(["--list"])) == {}
    told = capsys.readouterr().out
    assert all(name in told and study.cost in told for name, study in CATALOGUE.items())


def test_the_preset_cpu_is_all_studies_made_for_one():
    config = SweepConfig(preset="cpu")
    assert set(config.studies) == {name for name, study in CATALOGUE.items() if study.where == "cpu"}
    assert config.folder("optima").as_posix() == "runs/results/optima"
    assert "design-race" not in config.studies


def test_help_lists_the_studies(capsys):
    with pytest.raises(SystemExit):
        parse(["--help"])
    told = capsys.readouterr().out
    assert all(name in told for name in CATALOGUE)


def test_refusals():
    with pytest.raises(ValueError, match=r"preset must be one of cpu, sufficiency, .* got 'nothing'"):
        SweepConfig(preset="nothing")
    with pytest.raises(ValueError, match=r"part of the name of a cell, got 'N7'"):
        SweepConfig(preset="sufficiency", only="N7")
    with pytest.raises(ValueError, match=r"threads must be at least 1, got 0"):
        SweepConfig(preset="sufficiency", threads=0)
