"""The rule files in `decisions/` decide what they say that they decide."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from homeport.mirror.model.config import MirrorConfig
from homeport.mirror.model.names import Repository
from homeport.mirror.model.principal import Access, Action, Allow, Decision, Principal
from homeport.mirror.policy.explain import explain
from homeport.mirror.policy.rules import make_policy

FOLDER = Path(__file__).parent / "decisions"
LINE = re.compile(r"(\S+) (\w+) (\S+) +from (\S+) +=> +(allow|deny|login) +by (\S+)")
WHO = re.compile(r"([^({]+)(?:\((.*)\))?(?:\{(.*)\})?")


def read_config(table: dict[str, object]) -> MirrorConfig:
    upstreams = table.get("upstreams", {})
    assert isinstance(upstreams, dict)
    named = {name: {"name": name, **values} for name, values in upstreams.items()}
    return msgspec.convert(
        {"listeners": [], "data": "/data", **table, "upstreams": named}, MirrorConfig
    )


def read_access(who: str, action: str, what: str, whence: str) -> Access:
    found = WHO.fullmatch(who)
    assert found is not None
    name, groups, claims = found.groups()
    repository = reference = None
    if what != "-":
        path, reference = re.fullmatch(r"([^:@]+)(?:[:@](.*))?", what).groups()  # type: ignore[union-attr]
        upstream, _, rest = path.partition("/")
        repository = Repository(upstream, rest)
    address, _, listener = whence.partition("/")
    return Access(
        principal=Principal(
            name="" if name == "anonymous" else name,
            groups=tuple(groups.split(",")) if groups else (),
            claims=(
                {"iss": "https://gitlab.corp"}
                | dict(pair.split("=", 1) for pair in claims.split(","))
                if claims
                else {}
            ),
        ),
        action=Action(action),
        address=address,
        listener=listener or "main",
        repository=repository,
        reference=reference,
    )


def tables() -> Iterator[object]:
    for path in sorted(FOLDER.glob("*.toml")):
        content = tomllib.loads(path.read_text())
        policy = make_policy(read_config(content.get("mirror", {})))
        for line in content["decisions"].splitlines():
            if line and not line.startswith("#"):
                yield pytest.param(policy, line, id=f"{path.stem}: {' '.join(line.split())}")


def said(decision: Decision) -> tuple[str, str]:
    if isinstance(decision, Allow):
        return "allow", decision.rule
    return ("login" if decision.login else "deny"), decision.rule


@pytest.mark.parametrize(("policy", "line"), list(tables()))
def test_it_is_decided_as_the_table_says(policy: object, line: str) -> None:
    found = LINE.fullmatch(line)
    assert found is not None, line
    *request, word, rule = found.groups()
    access = read_access(*request)
    assert said(policy.decide(access)) == (word, rule)  # type: ignore[attr-defined]
    # Asked again, it comes from the cache; explained, from the rules.
    assert said(policy.decide(access)) == (word, rule)  # type: ignore[attr-defined]
    decision, steps = explain(policy, access)  # type: ignore[arg-type]
    assert said(decision) == (word, rule)
    assert [step.rule for step in steps if step.decides] == [rule]
