"""`python -m theory` answers, and says why where there is no answer."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from theory import COUNTEREXAMPLES, LOSS_NAMES, fixed_partition_range, optimum
from theory.bounds import finite_range, information_ceiling
from theory.codes import CODES
from theory.command import Question, main, respond
from theory.formulas.settings import SETTINGS
from theory.report.tables import number, table

ROOT = Path(__file__).parents[2]


def ask(capsys, words):
    main(words.split())
    return capsys.readouterr().out


def refused(capsys, words):
    """What an impossible question is answered with: one line on stderr, status 2, nothing else."""
    with pytest.raises(SystemExit) as error:
        main(words.split())
    out, err = capsys.readouterr()
    assert error.value.code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def cells(text, beginning):
    """The columns of the table row that begins with these words."""
    line = next(line for line in text.splitlines() if line.strip().startswith(beginning))
    return re.split(r"\s{2,}", line.strip())


def test_the_example_of_the_affine_plane(capsys):
    text = ask(capsys, "64 64 --B 8")
    assert text.startswith("clip_sum, 64 pairs in 64 dimensions, temperature 1\n")
    for size, part in zip((None, 8), text.split("Optimum, ")[1:], strict=True):
        assert cells(part, "value")[1] == f"{optimum('clip_sum', 64, 64, size).value:.10g}"
        assert "proved: attained" in part
        assert "simplex_etf" in part
    assert cells(text, "smallest built here that suffices")[1:] == [
        "72",
        "9",
        "lines of AG(2, 8), a resolvable 2-design",
    ]
    assert cells(text, "all batches")[1] == "4,426,165,368"
    assert "65.36% of the pairs meet" in text  # 1 - (8 / 9)^9
    own, best, worst = fixed_partition_range(64, 8)
    assert f"minimum is {number(own)}; the full-batch loss there is {number(best)} to {number(worst)}." in text
    assert "the mean over a 2-design has the minimisers of the full batch" in text


def test_codes_prove_kernel_sums(capsys):
    text = ask(capsys, "240 8 --loss kcl")
    value = cells(text, "value")[1]
    assert cells(text, "Hermite, roots of E8")[1:] == [value, "0.00e+00", "all u, v"]
    assert float(cells(text, "linear program")[1]) == pytest.approx(float(value), abs=1e-8)
    assert "Hermite certificate, in exact arithmetic (Q), degree 6: passed." in text


def test_a_counterexample_is_reported(capsys):
    text = ask(capsys, "7 2 --loss dcl --tau 0.1")
    assert "the natural candidate is refuted" in text
    assert float(cells(text, "value")[1]) < -2.405  # regular 7-gon: -2.3786


def test_no_affine_plane_of_order_six(capsys):
    """No schedule of 7 epochs exists: the reason, and the nearest sizes with fewer than all batches."""
    text = ask(capsys, "36 40 --B 6")
    assert "Every pair exactly once, in epochs of every point once: impossible." in text
    assert "Bruck-Ryser-Chowla" in text
    assert re.search(r"N = \d+ and N = \d+ with B = 6", text)
    assert cells(text, "all batches")[1] == "1,947,792"


@pytest.mark.parametrize("loss", ["nt_xent", "dhel_mean", "align_uniform", "siglip"])
def test_other_losses_and_few_dimensions(capsys, loss):
    text = ask(capsys, f"6 2 --B 3 --tau 0.5 --loss {loss}")
    for size, part in zip((None, 3), text.split("Optimum, ")[1:], strict=True):
        assert cells(part, "value")[1] == number(optimum(loss, 6, 2, size, 0.5).value)
    claim = "the mean over a 2-design has the minimisers"
    assert claim not in text
    if loss in LOSS_NAMES:
        assert "proved for d >= N - 1 = 5 only" in text


def test_bounds_are_not_above_what_is_attained(capsys):
    text = ask(capsys, "6 4 --loss nt_xent --tau 0.3")  # without a code, so that all bounds are shown
    rows = text.split("holds for\n")[1].split("\n\n")[0].splitlines()[1:]
    values = [float(re.split(r"\s{2,}", row.strip())[1]) for row in rows]
    assert values == sorted(values)
    assert len(values) >= 3
    assert values[-1] <= float(cells(text, "value")[1]) + 1e-9


def test_settings_reach_the_loss(capsys):
    plain, asked = (
        ask(capsys, f"6 3 --loss kcl{words}") for words in ("", " --kernel imq --parameter 1.0 --gamma 2")
    )
    expected = optimum("kcl", 6, 3, kernel="imq", parameter=1.0, gamma=2.0).value
    assert cells(asked, "value")[1] == f"{expected:.10g}" != cells(plain, "value")[1]


def test_a_search_replaces_a_bound_by_what_is_attained(capsys):
    bound, found = (ask(capsys, f"5 3 --loss dhel_mean --tau 0.5{words}") for words in ("", " --starts 3"))
    assert float(cells(found, "lower bound")[1]) == float(cells(bound, "lower bound")[1])
    assert float(cells(found, "value")[1]) >= float(cells(bound, "value")[1]) - 1e-9
    assert "3 starts" in found
    assert "3 starts" not in bound


def test_every_setting_of_every_loss_is_an_option():
    options = set(Question.__dataclass_fields__)
    assert {name for chosen in SETTINGS.values() for name in chosen} <= options


def test_the_listing_names_all_losses_and_codes(capsys):
    text = ask(capsys, "--list")
    for loss in SETTINGS:
        assert cells(text, loss)
    for code in CODES:
        row = cells(text, f"{code.name}  ")
        assert row[1:3] == [str(code.dim), f"{code.n_points:,}"]
        assert row[-2:] == (["yes", "passed"] if code.universally_optimal else ["no", "failed"])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("1 4", "n_pairs must be at least 2, received 1"),
        ("6 0", "dim must be at least 1, received 0"),
        ("6 3 --tau 0", "temperature must be positive"),
        ("6 3 --tau -1 --B 3", "temperature must be positive"),
        ("6 3 --B 1", "batch_size must lie between 2 and n_pairs = 6, received 1"),
        ("6 3 --B 7", "batch_size must lie between 2 and n_pairs = 6, received 7"),
        ("6 3 --loss triplet", "triplet has a margin"),
        ("6 3 --loss nonsense", "loss must be one of info_nce"),
        ("6 3 --loss clip --bias 2", "clip has no setting bias"),
        ("6 3 --loss kcl --kernel cubic", "kernel must be one of"),
        ("6 3 --starts -1", "starts must not be negative"),
        ("6", "N and d must be given"),
        ("", "N and d must be given"),
    ],
)
def test_impossible_questions_are_answered_with_the_reason(capsys, words, reason):
    assert reason in refused(capsys, words)


def test_numbers_and_columns():
    assert [number(x) for x in (72, 4_426_165_368, 10**20, 10**400, 0.1)] == [
        "72",
        "4,426,165,368",
        "1.000e+20",
        "over 1e300",
        "0.1",
    ]
    assert table(("a", "bb"), [("ccc", ""), ("", "d")]) == "  a    bb\n  ---  --\n  ccc\n       d"


def test_large_and_small_sizes_have_answers():
    assert "C(300, 20)" in respond(Question(300, 299, batch_size=20))
    assert "1.0 to 1.0" in respond(Question(2, 1, batch_size=2))
    assert "9 pairs in 1 dimensions" in respond(Question(9, 1, loss="clip"))


def test_the_command_starts_without_torch_and_fast():
    """In a process of its own; the time is that of the processor, as other tests may run beside it."""
    program = "import sys, theory.command; sys.exit('torch' in sys.modules)"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    before = os.times().children_user
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0
    assert os.times().children_user - before < 3  # 0.9 s where nothing else runs


def test_the_module_is_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "theory", "7", "6", "--B", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert cells(done.stdout, "smallest built here that suffices")[1] == "7"  # the Fano plane
    failed = subprocess.run([sys.executable, "-m", "theory", "1", "4"], cwd=ROOT, capture_output=True, check=False)
    assert failed.returncode == 2
    assert b"Traceback" not in failed.stderr


@pytest.mark.parametrize("words", ["50000 2", "50000 2 --loss kcl", "5000 2 --tau 0.05"])
def test_polygons_of_many_points_need_no_program(capsys, words):
    started = time.process_time()
    text = ask(capsys, words)
    assert time.process_time() - started < 8  # 2 s where nothing else runs
    assert "-gon: Hermite certificate, by proof" in text
    assert "proved: attained" in text


def test_the_listing_has_the_counterexamples(capsys):
    rows = ask(capsys, "--list").split("Counterexamples")[1].splitlines()[3:]
    assert len(rows) == len(COUNTEREXAMPLES)
    for row, found in zip(rows, COUNTEREXAMPLES, strict=True):
        words = re.split(r"\s{2,}", row.strip())
        assert words[:4] == [found.loss, str(found.n_pairs), str(found.dim), f"{found.temperature:g}"]
        assert (words[6], words[8]) == (number(found.candidate), number(found.value))


def test_batches_come_with_what_they_certify(capsys):
    text = ask(capsys, "64 64 --B 8 --tau 0.5")
    least, largest = finite_range(64, 64, 0.5)
    assert f"certifies at most {number(information_ceiling(8, 0.5))} nats" in text
    assert f"lies between {number(least)} and {number(largest)}" in text
    assert least < optimum("info_nce", 64, 64, temperature=0.5).value < largest
    assert "Information" not in ask(capsys, "64 64 --tau 0.5")
