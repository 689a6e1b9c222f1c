"""The registry, the table made of it, and the promise that nothing is missing from either."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import losses
from losses import LOSSES, PAIR_LOSSES
from losses.__main__ import BEGIN, END, main, table

ROOT = Path(__file__).parents[2]
NO_LOSSES = {"cached_backward", "contrast", "diagnostics", "effective_rank", "gather", "in_full_precision"} | {
    *(
        "make_loss",
        "mean_reciprocal_rank",
        "positive_ranks",
        "recall_at",
        "takes_index",
        "uniformity",
        "value_and_gradient",
    ),
}


def test_every_public_loss_is_registered():
    functions = {name for name in losses.__all__ if inspect.isfunction(getattr(losses, name))}
    assert functions - NO_LOSSES - {"moco"} == {name for name, entry in LOSSES.items() if not entry.is_stateful}
    assert {name for name, entry in LOSSES.items() if entry.is_stateful} == {"sogclr", "moco"}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_says_what_it_is_and_where_it_is_from(name):
    entry = LOSSES[name]
    told = inspect.getdoc(entry.function)
    assert told is not None
    assert "References:" in told
    assert entry.formula
    author, _, rest = entry.source.partition(" ")
    assert author[:5] in told or author[:5] in inspect.getdoc(inspect.getmodule(entry.function)), "the same source"
    identifier = rest.split()[-1]
    if "." in identifier:
        assert identifier in told


def test_needs_are_told_and_keep_a_loss_from_trainers():
    assert set(LOSSES) - set(PAIR_LOSSES) == {"moco", "cosent", "angle"}
    assert all(LOSSES[name].needs for name in set(LOSSES) - set(PAIR_LOSSES))


def test_the_readme_has_the_table():
    readme = (ROOT / "README.md").read_text()
    assert readme.split(BEGIN)[1].split(END)[0].strip() == table(), "python -m losses README.md writes it anew"
    assert all(f"| `{name}` |" in readme for name in LOSSES)


def test_the_command_prints_and_writes_the_table(tmp_path, capsys):
    main([])
    assert capsys.readouterr().out == table() + "\n"
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    main([str(page)])
    assert page.read_text() == f"before\n{BEGIN}\n{table()}\n{END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(SystemExit, match="must have the lines"):
        main([str(page)])


def test_python_m_losses_works():
    done = subprocess.run([sys.executable, "-m", "losses"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "| `info_nce` |" in done.stdout
    assert done.stderr == ""
