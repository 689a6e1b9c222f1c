"""Imports run one way, packages work from the repository's root, the script does not shadow its package."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "losses": set(),
    "theory": set(),
    "batching": {"losses", "theory"},
    "training": {"losses", "batching"},
    "synthetic": {"losses", "theory", "batching", "training"},
    "vision": {"losses", "batching", "training"},
    "text": {"losses", "batching", "training"},
    "figures": {"theory"},
}
FORBIDDEN_LIBRARIES = {"theory": {"torch"}, "figures": {"torch"}, "losses": {"numpy", "scipy"}}


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_run_one_way(package):
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        names = imported(file)
        ours = names & (MAY_IMPORT.keys() | {"tests", "benchmarks"}) - {package}
        assert ours <= MAY_IMPORT[package], f"{file.relative_to(ROOT)} imports {ours - MAY_IMPORT[package]}"
        bad = names & FORBIDDEN_LIBRARIES.get(package, set())
        assert not bad, f"{file.relative_to(ROOT)} imports {bad}"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_every_package_has_an_init_and_says_what_it_is(package):
    assert ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text()))


def test_tests_are_no_packages():
    assert not list((ROOT / "tests").rglob("__init__.py")), "one in tests/text would shadow the package text"


# What `--help`, bad input and finished runs need not wait for; `python -m benchmarks.startup` says what it costs.
LATER = {"scipy", "sklearn", "pandas", "matplotlib", "networkx", "joblib", "torch._dynamo", "torch._inductor"}
STARTS = {
    "losses": LATER,
    "batching.__main__": LATER,
    "synthetic.cli": LATER,
    "synthetic.sweep": LATER,
    "vision.train": LATER | {"torchvision"},
    "text.train": LATER | {"transformers"},
    "theory.command": LATER | {"torch"},
    "figures.table": {"torch", "scipy", "matplotlib"},
    "figures.__main__": {"torch"},
    "figures.readme": {"torch"},
}


@pytest.mark.parametrize("module", STARTS)
def test_starting_needs_no_library_that_waits_until_it_is_used(module):
    program = f"import sys, {module}; print(*{STARTS[module]} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_script_works_from_anywhere(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "synthetic.py", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "--batch-size" in done.stdout
