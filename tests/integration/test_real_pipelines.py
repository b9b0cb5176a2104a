"""Real pipelines, by others: listing and linting end in a right answer, and some jobs run.

`real_pipelines.json` says, for each repository, where it is hosted, how many jobs a push of its
main branch has, how many of them are unresolved, and which includes cannot be reached.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testbed.runs import homeport

PIPELINES = Path(
    os.environ.get("HOMEPORT_REAL_PIPELINES", Path(__file__).parents[3] / "shared" / "pipelines")
)
EXPECTED: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "real_pipelines.json").read_text()
)


def git(*args: str, cwd: Path) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@x.org"]
    subprocess.run(["git", *identity, *args], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def checkout(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A repository that holds the CI files of the project named by the parameter."""
    name: str = request.param
    path = tmp_path / name
    shutil.copytree(PIPELINES / name, path)
    for file in [path, *path.rglob("*")]:
        file.chmod(0o755 if file.is_dir() else 0o644)
    git("init", "-q", "-b", "main", cwd=path)
    if EXPECTED[name]["origin"]:
        git("remote", "add", "origin", EXPECTED[name]["origin"], cwd=path)
    git("add", "-A", cwd=path)
    git("commit", "-qm", "c", cwd=path)
    return path


def test_every_pipeline_at_hand_is_expected() -> None:
    assert sorted(path.name for path in PIPELINES.iterdir() if path.is_dir()) == sorted(EXPECTED)


@pytest.mark.parametrize("checkout", EXPECTED, indirect=True)
def test_list(checkout: Path) -> None:
    expected = EXPECTED[checkout.name]
    done = homeport("list", "--json", cwd=checkout, home=checkout.parent / "home")
    assert done.returncode == expected["exit"], done.stderr
    listed = json.loads(done.stdout)
    assert len(listed["jobs"]) == expected["jobs"]
    unresolved = [job for job in listed["jobs"] if job["verdict"] == "unresolved"]
    assert len(unresolved) == expected["unresolved"]
    assert all(job["unresolved"] for job in unresolved)
    for missing in expected["missing"]:
        assert f"include {missing}" in done.stderr


@pytest.mark.parametrize("checkout", EXPECTED, indirect=True)
def test_lint(checkout: Path) -> None:
    expected = EXPECTED[checkout.name]
    done = homeport("lint", cwd=checkout, home=checkout.parent / "home")
    assert done.returncode == expected["exit"], done.stderr
    assert " error: " not in done.stderr
    strict = homeport("lint", "--strict", cwd=checkout, home=checkout.parent / "home")
    assert strict.returncode == (2 if expected["missing"] else 0)


@pytest.mark.parametrize("checkout", EXPECTED, indirect=True)
def test_render_is_a_configuration_of_the_same_jobs(checkout: Path) -> None:
    expected = EXPECTED[checkout.name]
    rendered = homeport("render", cwd=checkout, home=checkout.parent / "home")
    assert rendered.returncode == expected["exit"], rendered.stderr
    if expected["missing"]:
        return
    before = homeport("list", "--all", "--json", cwd=checkout, home=checkout.parent / "home")
    (checkout / ".gitlab-ci.yml").write_text(rendered.stdout)
    after = homeport("list", "--all", "--json", cwd=checkout, home=checkout.parent / "home")
    assert after.returncode == 0, after.stderr
    names = [[job["name"] for job in json.loads(done.stdout)["jobs"]] for done in (before, after)]
    assert names[0] == names[1]


BUILD = """\
#!/bin/bash
set -e
echo "build $XEN_TARGET_ARCH debug=$debug CC=$CC"
mkdir -p binaries
echo "xen for $XEN_TARGET_ARCH" > binaries/xen
printf '%s' "$EXTRA_XEN_CONFIG" > xen-config
"""
SMOKE = """\
#!/bin/bash
set -e
cat binaries/xen
echo "booted $*" | tee smoke.serial
"""
RUNS = {
    # repository: (stand-ins for files of it, arguments, job → log lines, job → its artifacts)
    "Kitware__VTK": ({}, ["dummy:build"], {"dummy:build": ["dummy"]}, {}),
    "gitlabhq__omnibus-gitlab": (
        {},
        ["knapsack"],
        {"knapsack": ["$ mkdir -p knapsack/"]},
        {"knapsack": {"knapsack/main_rspec_report.json": "{}\n"}},
    ),
    "xen-project__xen": (
        {"automation/scripts/build": BUILD, "automation/scripts/qemu-xtf.sh": SMOKE},
        ["qemu-smoke-x86_64-gcc", "--needs"],
        {
            "debian-13-x86_64-gcc-debug": ["build x86_64 debug=y CC=gcc"],
            "qemu-smoke-x86_64-gcc": ["xen for x86_64", "booted x86_64 pv64 example"],
        },
        {
            "debian-13-x86_64-gcc-debug": {
                "binaries/xen": "xen for x86_64\n",
                "xen-config": "CONFIG_SHADOW_PAGING=y\n",
                "build.log": "build x86_64 debug=y CC=gcc\n",
            },
            "qemu-smoke-x86_64-gcc": {
                "build.log": "build x86_64 debug=y CC=gcc\n",
                "smoke.serial": "booted x86_64 pv64 example\n",
                "qemu-smoke-x86_64.log": "xen for x86_64\nbooted x86_64 pv64 example\n",
            },
        },
    ),
}


@pytest.mark.parametrize("checkout", RUNS, indirect=True)
def test_run(checkout: Path) -> None:
    """Scripts unmodified, on the shell: the projects' images cannot be pulled here."""
    files, args, lines, artifacts = RUNS[checkout.name]
    for name, content in files.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(content)
        (checkout / name).chmod(0o755)
    done = homeport(
        "run", *args, "--executor", "shell", "--json", cwd=checkout, home=checkout.parent / "home"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    finished = {
        event["job"]: event["status"] for event in events if "status" in event and "job" in event
    }
    assert finished == dict.fromkeys(lines, "success")
    for job, wanted in lines.items():
        log = [
            line
            for event in events
            if event["event"] == "job_output" and event["job"] == job
            for line in event["lines"]
        ]
        assert set(wanted) <= set(log)
    kept = list((checkout.parent / "home/.local/state/homeport").glob("*/runs/*/artifacts/*/"))
    for job, expected in artifacts.items():
        folder = next(path for path in kept if path.name.startswith(job.partition(":")[0]))
        found = {
            str(path.relative_to(folder)): path.read_text()
            for path in folder.rglob("*")
            if path.is_file()
        }
        assert found == expected
