"""What the README says in numbers is what the committed tables hold."""

import re
from pathlib import Path

import pandas as pd

from figures.readme import SHOWN, filled, speed_table, study_table
from figures.table import DATA

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


def test_its_tables_are_up_to_date():
    assert filled(README) == README, "python -m figures.readme writes them anew"


def test_its_pictures_exist():
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert shown
    for path in shown:
        assert (ROOT / path).exists()
        assert Path(path).name in SHOWN


def test_a_changed_result_changes_the_table():
    results = pd.read_csv(DATA / "synthetic_results.csv")
    assert study_table(results) in README
    results["full_loss_mean"] += 0.1
    assert study_table(results) not in README


def test_speed_rows_say_what_was_compared():
    row = {"what": "command", "selection": "all six", "original": 75.0, "ours": 7.5, "ratio": 10.0, "unit": "s"}
    row |= {"runs": 3, "device": "2 x cpu", "python": "3.11", "torch": "2", "commit": "abc", "date": "2026-01-01"}
    table = speed_table(pd.DataFrame([row]))
    assert "| the whole command, all six (s) | 75.0 | 7.5 | 10.0 |" in table
    assert "2 x cpu, Python 3.11, torch 2, 2026-01-01; commit abc" in table


def test_every_command_of_the_makefile_is_documented():
    makefile = (ROOT / "Makefile").read_text()
    phony = set(makefile.split(".PHONY:")[1].split("\n")[0].split())
    described = set(re.findall(r"^([a-z-]+):.*##", makefile, flags=re.MULTILINE))
    assert phony == described
