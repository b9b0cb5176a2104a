"""The input: git repositories that are the same on every machine and in every run."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

STAGES = 8
GROUP = 40
"""Jobs that share one template."""
LAYER = 20
FILES = 2000
"""What the jobs of `artN` hand on."""


def make_repository(folder: Path, name: str) -> Path:
    """The repository `name` under `folder`, made anew: one commit, an origin, its default branch.

    Names: `hello`, `run1`, and with N jobs `synN`, `plainN`, `runN`, `dagN`, `artN` and `dkN`;
    `logN` prints N lines.
    """
    root = folder / name
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    (root / ".gitlab-ci.yml").write_text(pipeline(name))
    (root / ".gitignore").write_text(".gitlab-ci-local/\n")
    _commit(root, name)
    return root


def pipeline(name: str) -> str:
    """The CI file of a repository."""
    kind = name.rstrip("0123456789")
    if name in ("hello", "run1"):
        return "greet:\n  script:\n    - echo hello\n"
    lines: Callable[[int], Iterator[str]] = {
        "syn": _synthetic,
        "plain": _plain,
        "run": _independent,
        "dag": _layers,
        "art": _chain,
        "dk": _containers,
        "log": _talker,
    }[kind]
    return "\n".join(lines(int(name[len(kind) :]))) + "\n"


def _stage(index: int, jobs: int) -> int:
    return index * STAGES // jobs


def _plain(jobs: int) -> Iterator[str]:
    """Jobs of a stage and a script: what reading alone costs."""
    yield f"stages: [{', '.join(f'stage{n}' for n in range(STAGES))}]"
    for index in range(jobs):
        yield f"task{index}:"
        yield f"  stage: stage{_stage(index, jobs)}"
        yield f"  script: [echo task {index}]"


def _independent(jobs: int) -> Iterator[str]:
    for index in range(jobs):
        yield f"task{index}:\n  script: [echo task {index}]"


def _containers(jobs: int) -> Iterator[str]:
    for index in range(jobs):
        yield f"task{index}:\n  image: busybox:latest\n  script: [echo task {index}]"


def _layers(jobs: int) -> Iterator[str]:
    """Layers of 20 jobs, each of which needs three of the layer before."""
    for index in range(jobs):
        layer, place = divmod(index, LAYER)
        needs = [(layer - 1) * LAYER + (place + step) % LAYER for step in range(3) if layer]
        named = ", ".join(f"task{need}" for need in needs)
        yield f"task{index}:\n  needs: [{named}]\n  script: [echo task {index}]"


def _chain(jobs: int) -> Iterator[str]:
    """The first makes files, each hands them on to the next."""
    for index in range(jobs):
        made = f"mkdir files; for n in $(seq {FILES}); do echo $n > files/$n; done"
        yield from (
            f"task{index}:",
            f"  needs: [{f'task{index - 1}' if index else ''}]",
            f"  script: ['{'ls files | wc -l' if index else made}']",
            "  artifacts: {paths: [files/]}",
        )


def _talker(lines: int) -> Iterator[str]:
    yield f"talk:\n  script:\n    - seq 1 {lines} | sed 's/^/this is line number /'"


def _synthetic(jobs: int) -> Iterator[str]:
    """What large pipelines are made of: chains of extends, rules on regular expressions, anchors,
    references, variables that use others, and needs of jobs in the stage before."""
    choice = random.Random(jobs)  # noqa: S311 - the same input each time
    yield f"stages: [{', '.join(f'stage{n}' for n in range(STAGES))}]"
    yield from (
        "variables:",
        "  REGION: north",
        '  TARGET: "$REGION-cluster"',
        ".labels: &labels",
        "  OWNER: platform",
        "  TIER: backend",
        ".steps:",
        "  before_script: [echo prepare, echo ready]",
        "  script: [echo begin]",
        ".root:",
        "  retry: 1",
        "  variables: {DEPTH: root, SHARED: yes-please}",
        "  before_script:",
        "    - !reference [.steps, before_script]",
    )
    groups = max(1, jobs // GROUP)
    for group in range(groups):
        yield from (
            f".team{group}:",
            "  extends: .root",
            f"  variables: {{DEPTH: team, TEAM: team-{group}}}",
            f".kind{group}:",
            f"  extends: .team{group}",
            "  variables: {DEPTH: kind}",
            "  rules:",
            f"    - if: $CI_COMMIT_BRANCH =~ /^hotfix-{group}\\/.+/",
            "      when: never",
            "    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH && $REGION =~ /^no(r|R)th$/",
            "      variables: {CHOSEN: default-branch}",
            "    - when: on_success",
        )
    for index in range(jobs):
        stage = _stage(index, jobs)
        yield from (
            f"task{index}:",
            f"  extends: .kind{choice.randrange(groups)}",
            f"  stage: stage{stage}",
            "  variables:",
            "    <<: *labels",
            f"    NUMBER: '{index}'",
            '    PLACE: "$TARGET-$NUMBER"',
            "  script:",
            "    - !reference [.steps, script]",
            f"    - echo $PLACE {index}",
        )
        if stage:
            low, high = (-(-(stage + n) * jobs // STAGES) for n in (-1, 0))
            needs = sorted({choice.randrange(low, high) for _ in range(2)})
            yield f"  needs: [{', '.join(f'task{need}' for need in needs)}]"


def _commit(root: Path, name: str) -> None:
    date = "2026-01-01T00:00:00Z"
    env = os.environ | {
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_DATE": date,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    for words in (
        ("init", "--quiet", "--initial-branch=main"),
        ("config", "user.name", "Benchmark"),
        ("config", "user.email", "benchmark@example.com"),
        ("remote", "add", "origin", f"https://gitlab.example.com/benchmarks/{name}.git"),
        ("add", "."),
        ("commit", "--quiet", f"--message={name}"),
        ("update-ref", "refs/remotes/origin/main", "HEAD"),
        ("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"),
    ):
        subprocess.run(("git", *words), cwd=root, env=env, check=True)
