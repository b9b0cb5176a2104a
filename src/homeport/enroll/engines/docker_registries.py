"""What Docker reads below certs.d at each pull: the mirror's CA, and hosts.toml of registries."""

from urllib.parse import urlsplit

from homeport.enroll.engines import docker_files
from homeport.enroll.engines.docker_draft import HOSTS_SINCE, HUB, Draft
from homeport.enroll.model import Finding, Limit, MirrorKind, Mode


def plan_certificates(draft: Draft) -> None:
    """Read at each pull: nothing is reloaded."""
    mirror, certs = draft.request.mirror, str(draft.engine.facts.get("certs"))
    if mirror.ca is None:
        return
    content = mirror.ca if mirror.ca.endswith("\n") else mirror.ca + "\n"
    urls = {mirror.url: None, **({mirror.hub_url: None} if draft.hub else {})}
    hosts = {docker_files.netloc(url): url for url in urls if urlsplit(url).scheme == "https"}
    for name, url in hosts.items():
        path = docker_files.ca_path(certs, url)
        draft.add(docker_files.whole(draft.host, path, content, f"the CA of {name}"))
        if draft.has_hosts and not draft.host.exists(f"{certs}/{name}"):
            _report_default(draft, certs, name)


def _report_default(draft: Draft, certs: str, name: str) -> None:
    default = docker_files.hosts_path(certs, "_default")
    if draft.host.exists(default):
        draft.findings.append(
            Finding(
                "docker-default-shadowed",
                f"{default} no longer counts for {name}, which gets a folder of its own",
                "",
                default,
            )
        )


def plan_hosts(draft: Draft) -> None:
    """hosts.toml for the containerd image store; for Docker Hub only where it enforces."""
    names = draft.others
    only = draft.request.mode is Mode.ONLY
    if not draft.has_hosts:
        _limit_others(draft, names)
    elif draft.hub and only:
        names = [HUB, *names]
    if draft.has_hosts:
        for name in names:
            _plan_hosts_of(draft, name)
    if draft.hub and only and not draft.has_hosts:
        draft.limits.append(
            Limit(
                "Docker Hub itself is still asked when the mirror fails",
                "dockerd has no setting that forbids it",
                "block the way out to registry-1.docker.io and auth.docker.io",
            )
        )


def _plan_hosts_of(draft: Draft, name: str) -> None:
    mirror, certs = draft.request.mirror, str(draft.engine.facts.get("certs"))
    path = docker_files.hosts_path(certs, name)
    if name != HUB and mirror.kind is not MirrorKind.HOMEPORT and name not in mirror.paths:
        # It would serve what it has of that name: perhaps another registry's image.
        words = "it is not known under which path this mirror has it"
        hint = "give the path of its proxy project or repository"
        draft.limits.append(Limit(f"{name} stays as it is", words, hint))
        return
    found = draft.host.text(path)
    if found is not None and not docker_files.is_ours(found):
        draft.limits.append(
            Limit(f"{name} stays as it is", f"{path} is somebody else's", "remove it, or edit it")
        )
        return
    if name != "_default" and found is None:
        _report_default(draft, certs, name)
    url = mirror.hub_url if name == HUB else mirror.url
    tls = urlsplit(url).scheme == "https" and mirror.ca is not None
    ca = docker_files.ca_path(certs, url) if tls else None
    text = docker_files.hosts_toml(name, mirror, draft.request.mode, ca)
    draft.add(docker_files.whole(draft.host, path, text, f"{name} comes through the mirror"))
    draft.proven = False


def _limit_others(draft: Draft, names: "list[str]") -> None:
    if not names:
        return
    mirror = draft.request.mirror
    hint = f"name the images {docker_files.netloc(mirror.url)}/REGISTRY/NAME"
    if draft.engine.facts.get("store") == "containerd":
        hint = f"update to Docker {HOSTS_SINCE} or newer, or {hint}"
    else:
        hint = f"use the containerd image store (Docker {HOSTS_SINCE} or newer), or {hint}"
    shown = ", ".join("every other registry" if name == "_default" else name for name in names)
    draft.limits.append(
        Limit(
            f"{shown}: images do not come through the mirror",
            "registry-mirrors of dockerd are Docker Hub's alone (moby#18818)",
            hint,
        )
    )
