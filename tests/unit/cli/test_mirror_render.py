"""`homeport mirror render`: the recipes, whole, against files; HOMEPORT_UPDATE=1 writes them."""

import os
from pathlib import Path

import pytest

from homeport.cli import mirror_render
from homeport.cli.main import main
from homeport.mirror.config.load import load_config

GOLDEN = Path(__file__).with_name("mirror_recipes")
CONFIG = """\
[mirror]
data = "/srv/registry data/100%"
[[mirror.listeners]]
role = "docker-mirror"
address = "0.0.0.0:80"
[[mirror.listeners]]
role = "registry"
address = "[::]:5443"
[mirror.limits]
drain_timeout = "90s"
[mirror.audit]
sinks = ["file:/var/log/homeport/audit.jsonl"]
"""


def render(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["mirror", "render", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("what", ["systemd", "container", "compose"])
def test_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    monkeypatch.setattr(mirror_render, "_program", lambda: Path("/opt/homeport/bin/homeport"))
    file = tmp_path / "homeport.toml"
    file.write_text(CONFIG)
    made = render(capsys, what, "--config", str(file)).replace(str(tmp_path), "/etc/homeport")
    golden = GOLDEN / f"{mirror_render.RECIPES[what]}"
    if os.environ.get("HOMEPORT_UPDATE"):
        golden.write_text(made)
    assert made == golden.read_text()


def test_the_configuration_is_valid_and_leaves_nothing_at_loopback_unsaid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "homeport.toml"
    file.write_text(render(capsys, "config"))
    config = load_config(file, {})
    assert config.default_upstream == "docker.io"
    assert set(config.namespaces) == {"team"}


def test_the_default_unit_keeps_to_its_state_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "homeport.toml"
    file.write_text('[mirror]\ndata = "/var/lib/homeport"\n')
    unit = render(capsys, "systemd", "--config", str(file))
    assert "StateDirectory=homeport\n" in unit
    assert "ReadWritePaths" not in unit
    assert "\nAmbientCapabilities=\n" in unit
    assert "TimeoutStopSec=61\n" in unit


def test_a_user_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mirror", "render", "systemd", "--user", "a\nExecStart=/bin/sh"]) == 2
    assert "no user's name" in capsys.readouterr().err
