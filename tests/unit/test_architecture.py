"""What import-linter cannot see: docstrings of packages, sizes and names of modules."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "homeport"
MODULES = sorted(SOURCE.rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "base", "manager", "core"}


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent != SOURCE], ids=name_of)
def test_every_folder_is_a_package(path: Path) -> None:
    assert (path.parent / "__init__.py").exists()


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.name == "__init__.py" and p.parent != SOURCE], ids=name_of
)
def test_a_package_says_what_it_is_and_nothing_else(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_has_a_docstring_and_one_subject(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert text.count("\n") <= 400
    assert path.stem not in FORBIDDEN_NAMES
