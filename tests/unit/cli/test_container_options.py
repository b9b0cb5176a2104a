"""Options of `homeport run` that are settings of containers."""

import argparse
from pathlib import Path

import pytest

from homeport.cli.container_options import add_container_options, container_flags
from homeport.errors import UsageError
from homeport.settings.load import load_settings
from homeport.settings.model import ContainerSettings


def container(tmp_path: Path, *argv: str) -> ContainerSettings:
    parser = argparse.ArgumentParser()
    add_container_options(parser)
    flags = container_flags(parser.parse_args(argv))
    return load_settings(tmp_path, {"HOME": str(tmp_path)}, flags).container


def test_each_option_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert container(
        tmp_path,
        *("--privileged", "--device=/dev/kvm", "--volume=/certs/client", "--volume=/a:/b:ro"),
        *("--ulimit=nofile=5:6", "--extra-host=db:10.0.0.1", "--network=corp", "--network=bridge"),
        *("--memory=512m", "--cpus=1.5", "--shm-size=1g", "--userns=host", "--gpus=all"),
        *("--mac-address=02:42:ac:11:00:02", "--ca-file=ca.pem"),
    ) == ContainerSettings(
        privileged=True,
        devices=("/dev/kvm",),
        volumes=("/certs/client", "/a:/b:ro"),
        ulimits=("nofile=5:6",),
        extra_hosts=("db:10.0.0.1",),
        networks=("corp", "bridge"),
        memory=512 * 1024**2,
        cpus=1.5,
        shm_size=1024**3,
        userns="host",
        gpus="all",
        mac_address="02:42:ac:11:00:02",
        ca_file=str(tmp_path / "ca.pem"),
    )


def test_what_is_not_given_is_not_set(tmp_path: Path) -> None:
    (tmp_path / ".config/homeport").mkdir(parents=True)
    (tmp_path / ".config/homeport/config.toml").write_text(
        '[container]\nprivileged = true\nvolumes = ["/a:/b"]\ncpus = 2\n'
    )
    assert container(tmp_path) == ContainerSettings(privileged=True, volumes=("/a:/b",), cpus=2.0)


@pytest.mark.parametrize("option", ["--cpus=many", "--memory=1x", "--network=a b", "--gpus=some"])
def test_a_wrong_value_is_named(tmp_path: Path, option: str) -> None:
    with pytest.raises(UsageError, match=r"container\."):
        container(tmp_path, option)
