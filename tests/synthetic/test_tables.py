"""Tables of studies: what columns say of rows, and that every study has a row for what its cells found."""

import pytest

from synthetic.presets import CATALOGUE
from synthetic.tables import ends, grouped, rows_of, table_of

RESULTS = {
    "small": {"rows": [{"n": 4, "gap": 0.5}, {"n": 4, "gap": 0.25}], "points": [{"n": 4}]},
    "large": {"rows": [{"n": 9, "gap": -1e-16}], "points": []},
}


def test_rows_know_their_cell():
    assert rows_of(RESULTS)[0] == {"cell": "small", "n": 4, "gap": 0.5}
    assert [row["cell"] for row in rows_of(RESULTS)] == ["small", "small", "large"]
    assert rows_of(RESULTS, "points") == [{"cell": "small", "n": 4}]
    assert RESULTS["small"]["rows"][0] == {"n": 4, "gap": 0.5}, "results stay as they are"


def test_rows_are_grouped_in_their_order():
    (first, four), (second, nine) = grouped(RESULTS, "n")
    assert (first, second) == ({"n": 4}, {"n": 9})
    assert ends(four, "gap", ".2f") == "0.25 .. 0.50"
    assert ends(nine, "gap", ".0e") == "-1e-16 .. -1e-16"


def test_columns_are_formats_or_functions():
    table = table_of(
        {"cell": "{cell}", "gap": "{gap:.1e} of {n}", "good": lambda row: "yes" if row["gap"] < 0 else "no"}
    )
    header, rows = table(RESULTS)
    assert header == ["cell", "gap", "good"]
    assert rows == [
        ["small", "5.0e-01 of 4", "no"],
        ["small", "2.5e-01 of 4", "no"],
        ["large", "-1.0e-16 of 9", "yes"],
    ]
    header, rows = table_of({"n": "{n}"}, lambda results: rows_of(results, "points"))(RESULTS)
    assert (header, rows) == (["n"], [["4"]])


PARTITION = {"n_pairs": 6, "batch_size": 2, "dim": 6, "least": 0.01, "most": 0.5}
COVERED = {"n_pairs": 9, "family": "random", "n_batches": 12, "seed": 0}
NEEDED = {"target": 0.01, "value": 1234.5, "low": 1000.0, "high": None, "at_most": 4096, "rate": 0.125}


@pytest.mark.parametrize(
    ("study", "part", "found", "told"),
    [
        (
            "all-batches",
            "rows",
            [PARTITION | {"family": "fixed", "gap": gap} for gap in (0.1, 0.3)],
            ["6", "2", "6", "fixed", "1.00e-01 .. 3.00e-01", "1.00e-02 .. 5.00e-01"],
        ),
        (
            "coverage",
            "rows",
            [COVERED | {"met": met, "gap": 0.1} for met in (0.5, 0.75)],
            ["9", "random", "12", "50% .. 75%", "1.0e-01 .. 1.0e-01"],
        ),
        (
            "kernels",
            "rows",
            [
                {"n_pairs": 7, "dim": 2, "code": "regular 7-gon", "loss": "kcl", "kernel": "log", "value": 0.5}
                | {"gap_min": 1e-15, "reached": 3, "n": 12}
            ],
            ["7", "2", "regular 7-gon", "kcl log", "0.5", "1.0e-15", "3 of 12"],
        ),
        (
            "sufficiency",
            "points",
            [{"k": 4, "n_batches": 1024, "met": 0.5, "gap_max": 0.1, "distance_max": 2.0}],
            ["cell", "4", "1,024", "50.0%", "1.0e-01", "2.0e+00"],
        ),
        ("design-race", "needed", [NEEDED], ["cell", "0.01", "1,234", "[1,000, more]", "0.125"]),
        (
            "design-race",
            "needed",
            [NEEDED | {"value": None, "low": None, "rate": None}],
            ["cell", "0.01", "> 4,096", "-", "tuned"],
        ),
    ],
)
def test_studies_tell_what_their_cells_found(study, part, found, told):
    header, (row,) = CATALOGUE[study].table({"cell": {part: found}})
    assert row == told
    assert len(header) == len(row)
