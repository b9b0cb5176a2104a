"""What strangers with ever new names may cost."""

import tracemalloc

from homeport.mirror.model.config import HUB_URL, MirrorConfig, RuleConfig, UpstreamConfig
from homeport.mirror.model.names import Repository
from homeport.mirror.model.principal import ANONYMOUS, Access, Action
from homeport.mirror.policy.rules import make_policy


def test_made_up_names_fill_no_memory() -> None:
    policy = make_policy(
        MirrorConfig(
            listeners=(),
            data="/data",
            upstreams={"docker.io": UpstreamConfig(name="docker.io", urls=(HUB_URL,))},
            rules=(RuleConfig(name="versions", allow=True, references=("v*",)),),
        )
    )
    tracemalloc.start()
    try:
        for number in range(40_000):
            policy.decide(
                Access(
                    principal=ANONYMOUS,
                    action=Action.PULL,
                    address="10.0.0.1",
                    listener="main",
                    repository=Repository("docker.io", f"{'x' * 240}{number}"),
                    reference=f"{'t' * 120}{number}",
                )
            )
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 20 * 1024**2
