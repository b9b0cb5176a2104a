"""kind: clusters whose nodes have a containerd of their own. What they use is decided when a
cluster is made; nothing on this machine tells one that runs.
"""

import re
from collections.abc import Sequence

from homeport.enroll.engines.door import find_doors
from homeport.enroll.engines.rendered import Rendered, inside_findings
from homeport.enroll.host import Host
from homeport.enroll.model import Effect, Engine, EnginePlan, Finding, Limit, Request

_NAME = re.compile(r"[a-z0-9.-]{1,63}")


class Kind(Rendered):
    name = "kind"

    def detect(self, host: Host) -> Sequence[Engine]:
        said = host.run("kind", "--version", limit=10.0)
        if said.status:
            return ()
        words = said.out.split()
        done = host.run("kind", "get", "clusters", "-q", limit=20.0)
        names = (
            [line for line in done.out.split() if _NAME.fullmatch(line)] if not done.status else []
        )
        return tuple(
            Engine(
                kind=self.name,
                id=f"kind:{name}",
                title=f"kind ({name})",
                version=words[-1] if words else "",
                running=True,
                writable=False,
                facts={"cluster": name},
            )
            for name in names
        )

    def plan(self, host: Host, engine: Engine, request: Request) -> EnginePlan:
        doors, limits = find_doors(request, by_name=False)
        limit = Limit(
            "enroll a cluster that runs",
            "its nodes are containers: what is changed in them is lost with them",
            "homeport enroll render --target kind, then kind delete cluster and kind create "
            f"cluster --name {engine.facts['cluster']} --config kind.yaml",
        )
        findings: list[Finding] = []
        for door in doors[:1]:
            findings += inside_findings(door.base, "a node")
        return EnginePlan(
            engine,
            effect=Effect.RECREATE,
            limits=(*limits, limit),
            findings=tuple(findings),
            proven=False,
        )


KINDS = (Kind(),)
