"""Order, monotony, bounds: what holds for any rules."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.errors import UsageError
from homeport.mirror.model.config import MirrorConfig, RuleConfig, UpstreamConfig
from homeport.mirror.model.names import Repository
from homeport.mirror.model.principal import Access, Action, Allow, Deny, Principal
from homeport.mirror.policy.explain import explain
from homeport.mirror.policy.rules import make_policy

NAMES = ["", "alice", "alicex", "robot$a", "robot$ab", "team/app"]
REPOSITORIES = [None, Repository("docker.io", "library/nginx"), Repository("local", "team/app")]
ADDRESSES = ["127.0.0.1", "10.0.0.1", "10.1.0.1", "::ffff:10.0.0.1", "fd00::1", "unix", "?"]


def config(*rules: RuleConfig) -> MirrorConfig:
    return MirrorConfig(
        listeners=(),
        data="/data",
        rules=rules,
        upstreams={"docker.io": UpstreamConfig(name="docker.io", urls=("https://hub",))},
    )


def some(values: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=2).map(tuple)


rules = st.builds(
    RuleConfig,
    name=st.just("r"),
    allow=st.booleans(),
    actions=some(["pull", "push", "delete", "catalog", "admin"]),
    principals=some(["anonymous", "alice", "alice*", "robot$a", "**", "*", "team/*"]),
    groups=some(["dev", "d*", "ops"]),
    networks=some(["10.0.0.0/16", "127.0.0.0/8", "fd00::/8", "0.0.0.0/0", "::ffff:10.0.0.0/112"]),
    repositories=some(["docker.io/**", "docker.io/*", "local/team/*", "**"]),
    references=some(["latest", "v*", "sha256:*", "*"]),
    listeners=some(["main", "other"]),
    claims=st.dictionaries(st.sampled_from(["ref", "iss"]), st.sampled_from(["main", "*"])),
)
rule_lists = st.lists(rules, max_size=6).map(
    lambda found: tuple(
        RuleConfig(**{**{f: getattr(r, f) for f in r.__struct_fields__}, "name": f"r{n}"})
        for n, r in enumerate(found)
    )
)
accesses = st.builds(
    Access,
    principal=st.builds(
        Principal,
        name=st.sampled_from(NAMES),
        groups=some(["dev", "ops", "x"]),
        claims=st.dictionaries(st.sampled_from(["ref", "iss"]), st.sampled_from(["main", "dev"])),
    ),
    action=st.sampled_from(list(Action)),
    address=st.sampled_from(ADDRESSES),
    listener=st.sampled_from(["main", "other"]),
    repository=st.sampled_from(REPOSITORIES),
    reference=st.sampled_from([None, "latest", "v1", "sha256:ab"]),
)


@given(rule_lists, accesses)
def test_the_first_rule_that_holds_alone_decides(
    given_rules: tuple[RuleConfig, ...], access: Access
) -> None:
    """Each rule alone says whether it holds; the whole list is decided by the first such one."""
    first = next(
        (
            rule
            for rule in given_rules
            if make_policy(config(rule)).decide(access).rule == rule.name
        ),
        None,
    )
    decision = make_policy(config(*given_rules)).decide(access)
    if first is None:
        assert decision == make_policy(config()).decide(access)
    else:
        assert decision.rule == first.name
        assert isinstance(decision, Allow) is first.allow


@given(rule_lists, accesses, rules)
def test_a_rule_that_allows_takes_nothing_away_and_one_that_denies_gives_nothing(
    given_rules: tuple[RuleConfig, ...], access: Access, more: RuleConfig
) -> None:
    before = isinstance(make_policy(config(*given_rules)).decide(access), Allow)
    after = isinstance(make_policy(config(more, *given_rules)).decide(access), Allow)
    assert after >= before if more.allow else after <= before


@given(rule_lists, st.lists(accesses, max_size=20))
def test_what_was_decided_before_changes_nothing(
    given_rules: tuple[RuleConfig, ...], asked: list[Access]
) -> None:
    """The cache's key holds everything that decides."""
    policy = make_policy(config(*given_rules))
    for access in asked:
        fresh = make_policy(config(*given_rules))
        assert policy.decide(access) == fresh.decide(access)
        assert explain(policy, access)[0] == fresh.decide(access)


@given(rule_lists, accesses)
def test_a_rule_without_actions_opens_no_administration(
    given_rules: tuple[RuleConfig, ...], access: Access
) -> None:
    open_rules = tuple(rule for rule in given_rules if "admin" not in rule.actions)
    policy = make_policy(config(*open_rules))
    if access.action is Action.ADMIN and access.address not in ("unix", "127.0.0.1"):
        assert isinstance(policy.decide(access), Deny)


def test_a_login_is_asked_for_where_it_could_help() -> None:
    nginx = Access(
        principal=Principal(),
        action=Action.PULL,
        address="10.0.0.1",
        listener="main",
        repository=REPOSITORIES[1],
    )
    deny_all = RuleConfig(name="none", allow=False)
    for_dev = RuleConfig(name="dev", allow=True, groups=("dev",))
    elsewhere = RuleConfig(name="dev", allow=True, groups=("dev",), networks=("10.9.0.0/16",))
    assert make_policy(config(deny_all)).decide(nginx) == Deny(
        rule="none", reason="denied by rule 'none'", login=False
    )
    assert make_policy(config(for_dev, deny_all)).decide(nginx).login  # type: ignore[union-attr]
    assert not make_policy(config(elsewhere, deny_all)).decide(nginx).login  # type: ignore[union-attr]


def test_a_token_that_was_made_for_repositories_does_not_administer() -> None:
    rule = RuleConfig(name="ops", allow=True, actions=("admin",), principals=("root",))
    policy = make_policy(config(rule))
    for scopes, allowed in ((None, True), ({"repository:a": frozenset({"pull"})}, False)):
        access = Access(
            principal=Principal(name="root", scopes=scopes),
            action=Action.ADMIN,
            address="127.0.0.1",
            listener="main",
        )
        assert isinstance(policy.decide(access), Allow) is allowed


def test_every_fault_of_every_rule_is_said_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        make_policy(
            config(
                RuleConfig(name="a", allow=True, actions=("pul",), networks=("10.0.0.1/8", "x")),
                RuleConfig(name="a", allow=True, principals=("",), repositories=("a***",)),
                RuleConfig(name="default", allow=True, claims={"ref": "a\n"}),
            )
        )
    assert [problem.code for problem in caught.value.problems] == [
        "rule-actions",
        "rule-networks",
        "rule-networks",
        "rule-name",
        "rule-principals",
        "rule-repositories",
        "rule-name",
        "rule-claims",
    ]
    assert "10.0.0.1/8 has host bits set" in str(caught.value)


def test_the_caches_are_bounded() -> None:
    policy = make_policy(config(RuleConfig(name="r", allow=True, networks=("10.0.0.0/8",))))
    for n in range(70_000):
        policy.decide(
            Access(
                principal=Principal(name=f"user{n}"),
                action=Action.PULL,
                address=f"10.0.{n // 250 % 250}.{n % 250}",
                listener="main",
                repository=REPOSITORIES[1],
            )
        )
    assert policy._decide.cache_info().currsize <= 65_536
    assert policy._place.cache_info().currsize <= 16_384


def test_a_decision_that_was_made_costs_no_walk_through_the_rules() -> None:
    many = tuple(
        RuleConfig(name=f"r{n}", allow=True, principals=(f"u{n}",), networks=("10.0.0.0/8",))
        for n in range(1000)
    )
    policy = make_policy(config(*many))
    access = Access(
        principal=Principal(name="bob", groups=("dev",)),
        action=Action.PULL,
        address="10.0.0.1",
        listener="main",
        repository=REPOSITORIES[1],
        reference="latest",
    )
    policy.decide(access)
    best = min(_time(policy.decide, access) for _ in range(5))
    assert best < 5e-6


def _time(call: object, access: Access) -> float:
    start = time.perf_counter()
    for _ in range(1000):
        call(access)  # type: ignore[operator]
    return (time.perf_counter() - start) / 1000


def test_an_explanation_says_what_each_rule_did_not_like() -> None:
    policy = make_policy(
        config(
            RuleConfig(name="ops", allow=True, groups=("ops",)),
            RuleConfig(name="lan", allow=True, networks=("10.9.0.0/16",)),
            RuleConfig(name="ci", allow=True, claims={"ref": "main"}),
            RuleConfig(name="nginx", allow=False, repositories=("docker.io/library/nginx",)),
            RuleConfig(name="all", allow=True),
        )
    )
    access = Access(
        principal=Principal(name="bob", groups=("dev",)),
        action=Action.PULL,
        address="10.0.0.1",
        listener="main",
        repository=REPOSITORIES[1],
    )
    decision, steps = explain(policy, access)
    assert isinstance(decision, Deny)
    assert [(step.rule, step.matched, step.decides, step.why) for step in steps] == [
        ("ops", False, False, "the groups (dev) are not: ops"),
        ("lan", False, False, "the address 10.0.0.1 is in none of: 10.9.0.0/16"),
        ("ci", False, False, "the claims are ref=(none)"),
        ("nginx", True, True, "denies it"),
        ("all", True, False, "would allow it, but an earlier rule decides"),
        ("default", True, False, "allows it"),
    ]
