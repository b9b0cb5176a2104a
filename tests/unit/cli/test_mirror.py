"""`homeport mirror serve` and `check`: options, faults, summaries, and what is not installed."""

import gc
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from homeport.cli import mirror
from homeport.cli.main import main
from homeport.mirror.config import load as load_module
from homeport.mirror.model.config import MirrorConfig

FILE = """\
[mirror]
data = "/data"
[[mirror.listeners]]
role = "registry"
address = "127.0.0.1:5000"
[mirror.upstreams."docker.io"]
[mirror.upstreams."quay.io"]
aliases = ["quay"]
[mirror.namespaces.team]
[[mirror.rules]]
name = "all"
allow = true
actions = ["pull"]
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(load_module, "SYSTEM_FILE", tmp_path / "nothing.toml")
    monkeypatch.delenv("HOMEPORT_MIRROR_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mirror.toml"
    path.write_text(FILE)
    return path


class App:
    """In place of the server: what it was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config: MirrorConfig | None = None
        self.reload: Callable[[], MirrorConfig] | None = None
        self.collects = False
        module = types.ModuleType("homeport.mirror.app.serve")
        module.run = self._run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "homeport.mirror.app.serve", module)

    def _run(self, config: MirrorConfig, *, reload: Callable[[], MirrorConfig]) -> int:
        self.config, self.reload, self.collects = config, reload, gc.isenabled()
        return 7


def test_serve_hands_the_configuration_to_the_server(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App(monkeypatch)
    argv = ["mirror", "serve", "--config", file.name, "--listen", "127.0.0.1:0", "--data", "d"]
    assert main(argv) == 7
    assert app.config is not None
    assert app.config.listeners[0].address == "127.0.0.1:0"
    assert app.config.data == str(file.parent / "d")
    assert app.collects


def test_the_server_can_read_it_anew(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(monkeypatch)
    main(["mirror", "serve", "--config", file.name])
    monkeypatch.chdir("/")
    file.write_text(FILE.replace("5000", "5001"))
    assert app.reload is not None
    assert app.reload().listeners[0].address == "127.0.0.1:5001"


def test_an_invalid_file_is_not_served(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = App(monkeypatch)
    file.write_text(FILE.replace("allow", "alow"))
    assert main(["mirror", "serve", "--config", str(file)]) == 2
    assert app.config is None
    assert capsys.readouterr().err == (
        f"{file}:10:1: error: mirror.rules[0]: allow is missing\n"
        f"{file}:12:1: error: mirror.rules[0].alow: unknown key\n"
        "  did you mean allow?\n"
    )


@pytest.mark.parametrize("argv", [["check"], ["serve", "--check"]])
def test_check_says_what_would_be_served(
    file: Path, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mirror", *argv, "--config", str(file)]) == 0
    assert capsys.readouterr().out == (
        f"configuration is valid: {file}\n"
        "data is in /data\n\n"
        "LISTENER  ADDRESS         ROLE      TLS\n"
        "registry  127.0.0.1:5000  registry  no\n\n"
        "UPSTREAM             URLS                          ALIASES\n"
        "docker.io (default)  https://registry-1.docker.io\n"
        "quay.io              https://quay.io               quay\n\n"
        "namespaces: team\n\n"
        "RULE  DECIDES  ACTIONS\n"
        "all   allow    pull\n"
    )


def test_check_prints_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mirror", "check", "--json", "--config", str(file)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["valid"] is True
    assert printed["file"] == str(file)
    assert printed["listeners"] == [
        {"name": "registry", "address": "127.0.0.1:5000", "role": "registry", "tls": False}
    ]
    assert printed["rules"] == [{"name": "all", "allow": True, "actions": ["pull"]}]
    file.write_text("[mirror]\nlistn = 1\n")
    assert main(["mirror", "check", "--json", "--config", str(file)]) == 2
    printed = json.loads(capsys.readouterr().out)
    assert printed["valid"] is False
    assert [problem["span"]["line"] for problem in printed["problems"]] == [2]


def test_check_takes_the_file_from_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOMEPORT_MIRROR_CONFIG", str(file))
    assert main(["mirror", "check"]) == 0
    assert str(file) in capsys.readouterr().out


def test_json_goes_with_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mirror", "serve", "--json"]) == 2
    assert "--json goes with --check" in capsys.readouterr().err


def test_a_missing_library_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(name: str) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(mirror, "import_module", absent)
    with pytest.raises(Exception, match="aiohttp") as caught:
        mirror.require("aiohttp")
    assert caught.value.exit_code == 3  # type: ignore[attr-defined]
    assert caught.value.problems[0].hint == "pip install 'homeport[mirror]'"  # type: ignore[attr-defined]
    assert capsys.readouterr().out == ""


def test_our_own_modules_are_missing_by_a_defect_alone() -> None:
    error = ModuleNotFoundError("x", name="homeport.mirror.app.serve")
    assert mirror.missing(error) is error
