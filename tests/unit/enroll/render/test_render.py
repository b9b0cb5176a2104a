"""What is rendered for other tooling, to the byte, and read by the format's own parser."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from homeport.enroll.errors import EnrollError
from homeport.enroll.model import Mirror, MirrorKind, Mode, Request
from homeport.enroll.plain import from_plain
from homeport.enroll.render.files import Made
from homeport.enroll.render.targets import TARGETS, render

GOLDEN = Path(__file__).parent / "golden"
CA = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\nAAAA+/==\n-----END CERTIFICATE-----\n"
URL = "https://mirror.corp:5443"
TLS = Request(
    Mirror(URL, f"{URL[:-4]}5444", MirrorKind.HOMEPORT, ca=f"Subject: corp\n{CA}"),
    Mode.PREFER,
    ("docker.io", "ghcr.io", "registry.example:5000"),
)
PLAIN = Request(
    Mirror("http://mirror.corp:5080", "http://mirror.corp:5080", MirrorKind.HOMEPORT),
    Mode.ONLY,
    ("docker.io",),
)
REQUESTS = {"tls": TLS, "plain": PLAIN}


def files_of(target: str, name: str) -> "tuple[Made, ...]":
    return render(target, REQUESTS[name])


def text_of(made: Made) -> str:
    assert isinstance(made.content, str)
    return made.content


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("target", TARGETS)
def test_each_target_to_the_byte(target: str, name: str) -> None:
    made = files_of(target, name)
    assert made == files_of(target, name)
    folder = GOLDEN / f"{target}-{name}"
    texts = {one.name: one.content for one in made if isinstance(one.content, str)}
    if "UPDATE_GOLDEN" in os.environ:
        for path, content in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
    found = {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert texts == found


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("target", TARGETS)
def test_each_file_reads(target: str, name: str, tmp_path: Path) -> None:
    for one in files_of(target, name):
        if isinstance(one.content, bytes):
            assert one.name.endswith(".pyz")
        elif one.name.endswith(".toml"):
            tomllib.loads(one.content)
        elif one.name.endswith((".yml", ".yaml")):
            assert yaml.safe_load(one.content)
        elif one.name.endswith(".json"):
            json.loads(one.content)
        elif one.name.endswith(".sh"):
            place = tmp_path / "script.sh"
            place.write_text(one.content)
            for shell in filter(None, (shutil.which("sh"), shutil.which("dash"))):
                subprocess.run([shell, "-n", str(place)], check=True)
        else:
            assert one.name.endswith((".crt", ".args", ".service", ".timer")), one.name


@pytest.mark.parametrize(
    "url",
    [
        "https://mirror'; rm -rf /;'",
        'https://mirror"]',
        "https://mirror.corp/$(id)",
        "https://mirror.corp/a b",
        "https://mirror.corp\nx: y",
        "https://user:pw@mirror.corp",
        "https://{{ lookup('pipe', 'id') }}",
        "https://mirror.corp/`id`",
        "mirror.corp",
        "ftp://mirror.corp",
    ],
)
@pytest.mark.parametrize("target", TARGETS)
def test_hostile_urls_are_refused(target: str, url: str) -> None:
    for mirror in (Mirror(url, URL), Mirror(URL, url)):
        with pytest.raises(EnrollError) as caught:
            render(target, Request(mirror))
        assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "request_",
    [
        Request(Mirror(URL, URL), Mode.PREFER, ("docker.io'; id",)),
        Request(Mirror(URL, URL), Mode.PREFER, ("../../etc",)),
        Request(Mirror(URL, URL, paths={"docker.io": "a'b"})),
        Request(Mirror(URL, URL, paths={"docker.io": "../x"})),
        Request(Mirror(URL, URL, ca="x")),
        Request(Mirror(URL, URL, ca=CA.replace("AAAA", "HOMEPORT_END'"))),
    ],
)
def test_other_hostile_values_are_refused(request_: Request) -> None:
    with pytest.raises(EnrollError):
        render("shell", request_)


def test_there_is_no_such_target() -> None:
    with pytest.raises(EnrollError, match="no target"):
        render("nomad", TLS)


@pytest.mark.parametrize("target", ["dind", "colima", "shell", "gitlab-runner", "cloud-init"])
def test_dockers_mirror_has_no_path(target: str) -> None:
    mirror = Mirror(f"{URL}/repository/x", f"{URL}/repository/x", MirrorKind.HOMEPORT)
    with pytest.raises(EnrollError, match="path"):
        render(target, Request(mirror))


def test_the_paths_of_a_foreign_mirror() -> None:
    paths = {"docker.io": "hub", "ghcr.io": "gh"}
    request = Request(Mirror(URL, URL, MirrorKind.HARBOR, paths=paths), Mode.ONLY, tuple(paths))
    (args,) = render("kaniko", request)
    assert text_of(args).splitlines() == [
        "--registry-mirror=mirror.corp:5443/hub",
        "--registry-map=ghcr.io=mirror.corp:5443/gh",
        "--skip-default-registry-fallback",
    ]
    with pytest.raises(EnrollError, match=r"registry\.gitlab\.com"):
        render("gitlab-runner", request)


def test_docker_in_docker_gets_the_ca_as_it_is() -> None:
    (made,) = files_of("dind", "tls")
    job = yaml.safe_load(text_of(made))[".homeport-dind"]
    assert job["variables"]["HOMEPORT_CA"] == CA
    assert "--registry-mirror=https://mirror.corp:5444" in job["services"][0]["command"][0]


def test_colimas_provisioning_writes_the_ca(tmp_path: Path) -> None:
    (made,) = files_of("colima", "tls")
    script = yaml.safe_load(text_of(made))["provision"][0]["script"]
    script = script.replace("/etc/docker", str(tmp_path))
    subprocess.run(["sh", "-c", script], check=True)
    assert (tmp_path / "certs.d/mirror.corp:5444/ca.crt").read_text() == CA


def test_the_roles_question_is_the_request() -> None:
    made = {one.name: one for one in files_of("ansible", "tls")}
    question = json.loads(text_of(made["roles/homeport_enroll/files/question.json"]))
    request: Request = from_plain(Request, question["request"])
    assert (request.registries, request.mirror.url) == (TLS.registries, URL)


# The script, on a file system of its own


def run(
    root: Path, script: str, *words: str, path: "str | None" = None
) -> "subprocess.CompletedProcess[str]":
    place = root.parent / "enroll.sh"
    place.write_text(script)
    env = {"PATH": path or os.environ["PATH"], "HOMEPORT_ROOT": str(root)}
    return subprocess.run(
        ["/usr/bin/dash", str(place), *words], env=env, capture_output=True, text=True, check=False
    )


def programs(folder: Path, *names: str) -> str:
    """A PATH of these programs alone."""
    folder.mkdir()
    base = "cat cmp cp dirname mkdir mktemp mv readlink rm sort uniq"
    for name in (*base.split(), *names):
        found = sys.executable if name == "python3" else shutil.which(name)
        assert found is not None, name
        (folder / name).symlink_to(found)
    return str(folder)


def tree(root: Path) -> "Mapping[str, tuple[str, int]]":
    return {
        str(path.relative_to(root)): (path.read_text(), stat.S_IMODE(path.stat().st_mode))
        for path in root.rglob("*")
        if path.is_file()
    }


needs_dash = pytest.mark.skipif(not Path("/usr/bin/dash").exists(), reason="there is no dash")


@needs_dash
@pytest.mark.parametrize("tool", ["python3", "jq"])
def test_the_script_merges_checks_and_is_done(tmp_path: Path, tool: str) -> None:
    if tool == "jq" and shutil.which("jq") is None:
        pytest.skip("there is no jq")
    path = programs(tmp_path / "bin", tool)
    root = tmp_path / "root"
    for folder in ("etc/docker", "etc/containers", "etc/containerd"):
        (root / folder).mkdir(parents=True)
    config = root / "etc/docker/daemon.json"
    config.write_text('{"registry-mirrors": ["https://old"], "debug": true}')
    config.chmod(0o600)
    script = text_of(files_of("shell", "tls")[0])
    before = tree(root)
    done = run(root, script, "--check", path=path)
    assert (done.returncode, tree(root)) == (1, before), done.stderr
    done = run(root, script, path=path)
    assert done.returncode == 0, done.stderr
    assert json.loads(config.read_text()) == {
        "registry-mirrors": ["https://mirror.corp:5444", "https://old"],
        "debug": True,
    }
    after = tree(root)
    assert after["etc/docker/daemon.json"][1] == 0o600
    assert after["etc/docker/certs.d/mirror.corp:5444/ca.crt"] == (CA, 0o644)
    drop_in = after["etc/containers/registries.conf.d/99-homeport.conf"][0]
    assert len(tomllib.loads(drop_in)["registry"]) == 3
    assert tomllib.loads(after["etc/containerd/certs.d/ghcr.io/hosts.toml"][0])
    done = run(root, script, path=path)
    assert (done.returncode, done.stdout, tree(root)) == (0, "", after)
    assert run(root, script, "--check", path=path).returncode == 0
    assert run(root, script, "--other", path=path).returncode == 2


@needs_dash
def test_the_script_without_a_daemon_json_needs_no_tool(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    script = text_of(files_of("shell", "plain")[0])
    path = programs(tmp_path / "bin")
    done = run(root, script, path=path)
    assert done.returncode == 0, done.stderr
    assert json.loads((root / "etc/docker/daemon.json").read_text()) == {
        "registry-mirrors": ["http://mirror.corp:5080"],
        "insecure-registries": ["mirror.corp:5080"],
    }
    done = run(root, script, path=path)
    assert done.returncode == 2
    assert "neither python3 nor jq" in done.stderr


@needs_dash
@pytest.mark.parametrize("tool", ["python3", "jq"])
@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"a": 1, "a": 2}', '{"registry-mirrors": "x"}', "{} {}"]
)
def test_the_script_refuses_what_docker_would(tmp_path: Path, tool: str, content: str) -> None:
    if tool == "jq" and shutil.which("jq") is None:
        pytest.skip("there is no jq")
    root = tmp_path / "root"
    (root / "etc/docker").mkdir(parents=True)
    (root / "etc/containers").mkdir(parents=True)
    (root / "etc/docker/daemon.json").write_text(content)
    before = tree(root)
    path = programs(tmp_path / "bin", tool)
    done = run(root, text_of(files_of("shell", "tls")[0]), path=path)
    assert (done.returncode, tree(root)) == (2, before), done.stdout
    assert "nothing is changed" in done.stderr


def test_cloud_init_writes_the_same_script() -> None:
    (made,) = files_of("cloud-init", "tls")
    config: dict[str, Any] = yaml.safe_load(text_of(made))
    assert text_of(made).startswith("#cloud-config\n")
    assert config["write_files"][0]["content"] == text_of(files_of("shell", "tls")[0])
    assert config["runcmd"] == [["sh", config["write_files"][0]["path"]]]


def test_the_role_has_the_syntax_of_ansible(tmp_path: Path) -> None:
    program = shutil.which("ansible-playbook") or shutil.which(
        "ansible-playbook", path=str(Path(sys.executable).parent)
    )
    if program is None:
        pytest.skip("ansible-core is not installed")
    for one in files_of("ansible", "tls"):
        place = tmp_path / one.name
        place.parent.mkdir(parents=True, exist_ok=True)
        content = one.content
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    env = {**os.environ, "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"), "LC_ALL": "C.UTF-8"}
    subprocess.run(
        [program, "--syntax-check", "-i", "localhost,", "enroll.yml"],
        cwd=tmp_path,
        env=env,
        check=True,
        capture_output=True,
    )
