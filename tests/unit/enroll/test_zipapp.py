"""What travels to other machines: always the same bytes, any Python from 3.9, nothing but the
standard library."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import homeport.enroll
from homeport.enroll.zipapp import build_zipapp

PACKAGE = Path(homeport.enroll.__path__[0])
FLEET = PACKAGE / "fleet"  # stays with whoever sends the rest out
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(FLEET))
NEWER = {"tomllib", "zoneinfo._tzpath"}
OLDEST = (3, 9)


def pythons() -> list[str]:
    """Every Python that is here, the oldest that we support among them where it is installed."""
    found = [sys.executable]
    names = ["/usr/bin/python3", "python3.9", "python3.10", "python3.12", "python3.13"]
    names += map(str, sorted(Path("~/.pyenv/versions").expanduser().glob("3.9.*/bin/python")))
    for name in names:
        place = shutil.which(name)
        works = (
            place
            and not subprocess.run(
                [place, "-c", "import sys; sys.exit(sys.version_info < (3, 9))"],
                check=False,
                capture_output=True,
            ).returncode
        )
        if place and works:
            found.append(place)
    return found


@pytest.fixture(scope="module")
def zipapp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("zipapp") / "enroll.pyz"
    place.write_bytes(build_zipapp())
    return place


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_is_python_3_9_and_imports_the_standard_library_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=OLDEST)
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [node.module or ""]
        for name in names:
            top = name.partition(".")[0]
            assert name.startswith("homeport.enroll") or top in sys.stdlib_module_names, name
            assert name not in NEWER
        assert not isinstance(node, ast.Match)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_union_by_a_bar_is_evaluated(path: Path) -> None:
    """`X | None` in an annotation fails before 3.10, unless it is a text."""
    tree = ast.parse(path.read_text())
    found = []
    for node in ast.walk(tree):
        annotations: list[Any] = []
        if isinstance(node, ast.AnnAssign):
            annotations = [node.annotation]
        elif isinstance(node, ast.FunctionDef):
            every = (*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs)
            annotations = [node.returns, *(entry.annotation for entry in every)]
        found += [
            inner.lineno
            for annotation in annotations
            if annotation is not None
            for inner in ast.walk(annotation)
            if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.BitOr)
        ]
    assert found == []


def test_it_is_the_same_each_time(zipapp: Path) -> None:
    assert build_zipapp() == zipapp.read_bytes()
    assert zipapp.stat().st_size < 1_000_000


def ask(python: str, zipapp: Path, home: Path, command: str, question: object) -> tuple[int, Any]:
    done = subprocess.run(
        [python, "-I", "-W", "error", str(zipapp), command],
        input=json.dumps(question),
        env={"HOME": str(home), "PATH": str(home), "XDG_STATE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("python", pythons())
def test_it_answers_in_json_on_every_python_here(python: str, zipapp: Path, tmp_path: Path) -> None:
    code, found = ask(python, zipapp, tmp_path, "plan", {})
    assert (code, found["ok"], found["error"]["message"]) == (
        2,
        False,
        "the question has no request",
    )
    mirror = {"url": "http://127.0.0.1:9", "hub_url": ""}
    code, found = ask(python, zipapp, tmp_path, "plan", {"request": {"mirror": mirror}})
    assert (code, found["error"]["kind"]) == (3, "UnreachableMirrorError")
    code, found = ask(python, zipapp, tmp_path, "plan", {"request": {"mirror": 3}})
    assert (code, found["error"]["message"]) == (2, "Request.mirror is not an object")
    code, found = ask(python, zipapp, tmp_path, "undo", {"keep": 3})
    assert (code, found["error"]["message"]) == (2, "keep is not a list of names")
    code, found = ask(python, zipapp, tmp_path, "status", {})
    assert (code == 0) is found["ok"]
    assert isinstance(found["status"], list)
    code, found = ask(python, zipapp, tmp_path, "apply", [1])
    assert (code, found["error"]["message"]) == (2, "the question is not an object")
