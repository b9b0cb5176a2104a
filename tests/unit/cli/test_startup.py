"""Start-up is a feature: what `homeport --version` imports is pinned."""

import subprocess
import sys
from pathlib import Path

import pytest

STDLIB = frozenset(sys.stdlib_module_names)
ALLOWED = {
    "homeport",
    "homeport.__main__",
    "homeport.cli",
    "homeport.cli.cache",
    "homeport.cli.clean",
    "homeport.cli.completion",
    "homeport.cli.diff",
    "homeport.cli.doctor",
    "homeport.cli.enroll",
    "homeport.cli.enroll_apply",
    "homeport.cli.enroll_detect",
    "homeport.cli.enroll_plan",
    "homeport.cli.enroll_status",
    "homeport.cli.enroll_undo",
    "homeport.cli.enroll_verify",
    "homeport.cli.enroll_watch",
    "homeport.cli.explain",
    "homeport.cli.last",
    "homeport.cli.gitlab_ci_local",
    "homeport.cli.gitlab_ci_local_options",
    "homeport.cli.lint",
    "homeport.cli.logs",
    "homeport.cli.past",
    "homeport.cli.list_",
    "homeport.cli.main",
    "homeport.cli.mirror",
    "homeport.cli.mirror_check",
    "homeport.cli.mirror_robot",
    "homeport.cli.mirror_audit",
    "homeport.cli.mirror_status",
    "homeport.cli.mirror_usage",
    "homeport.cli.mirror_explain",
    "homeport.cli.mirror_gc",
    "homeport.cli.mirror_verify",
    "homeport.cli.mirror_purge",
    "homeport.cli.mirror_backup",
    "homeport.cli.mirror_restore",
    "homeport.cli.mirror_ca",
    "homeport.cli.mirror_render",
    "homeport.cli.mirror_serve",
    "homeport.cli.mirror_user",
    "homeport.cli.options",
    "homeport.cli.render",
    "homeport.cli.report_files",
    "homeport.cli.rerun",
    "homeport.cli.run",
    "homeport.cli.shell",
    "homeport.cli.update",
    "homeport.cli.simulation",
}


def imported(*argv: str) -> set[str]:
    """The modules that a command imports beyond those of argparse itself."""
    code = "import sys; sys.argv[:] = sys.argv[1:]; from homeport.__main__ import main\n"
    code += "try: main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "homeport", *argv], capture_output=True, text=True, check=True
    )
    bare = subprocess.run(
        [sys.executable, "-c", "import argparse, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split()) - set(bare.stdout.split())


def test_version_imports_argparse_and_the_commands_parsers_alone() -> None:
    ours = {name for name in imported("--version") if name.partition(".")[0] not in STDLIB}
    assert ours <= ALLOWED


def test_version_imports_little_of_the_standard_library() -> None:
    heavy = {"asyncio", "dataclasses", "inspect", "json", "logging", "subprocess", "typing"}
    assert not imported("--version") & heavy


def test_a_plain_job_is_listed_without_what_it_does_not_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitlab-ci.yml").write_text("job: {script: echo hi}\n")
    rest = {
        "conditions.clauses",
        "conditions.parser",
        "config.keyword.rules",
        "document.header",
        "execute.api",
        "facts.merge_request",
        "facts.variable_files",
        "include.expand",
        "include.opening",
        "plan.plan",
        "report.console",
    }
    found = imported("list", "-C", str(tmp_path))
    assert "homeport.pipeline.evaluate.evaluate" in found
    assert not {f"homeport.pipeline.{name}" for name in rest} & found
    assert not {"homeport.engine", "homeport.settings.layers", "json", "re2", "tomllib"} & found
