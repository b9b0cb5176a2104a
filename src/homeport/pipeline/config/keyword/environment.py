"""`environment`: where a job deploys to. Source: GitLab's CI/CD YAML reference, `environment`."""

import re
from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.ruby import is_blank
from homeport.pipeline.config.status import NO_EFFECT, PARTLY, YES, Keyword
from homeport.pipeline.model.config import Environment

STATUS = Keyword(
    name="environment",
    evaluated=True,
    run=PARTLY,
    note="its variables are set, deployments are recorded and shown in the summary",
    cases=("environments",),
    parts=(
        Keyword(name="name", run=YES, note="`CI_ENVIRONMENT_NAME`, `CI_ENVIRONMENT_SLUG`"),
        Keyword(
            name="url",
            run=YES,
            note="`CI_ENVIRONMENT_URL`; in the summary with the job's own dotenv variables",
        ),
        Keyword(name="action", run=YES, note="`CI_ENVIRONMENT_ACTION`"),
        Keyword(name="deployment_tier", run=YES, note="`CI_ENVIRONMENT_TIER`"),
        Keyword(
            name="on_stop",
            run=YES,
            note="named in the summary; nothing stops an environment by itself",
        ),
        Keyword(name="auto_stop_in", run=NO_EFFECT),
        Keyword(name="kubernetes", run=NO_EFFECT),
    ),
)

KEYS = (
    "name", "url", "action", "on_stop", "auto_stop_in", "kubernetes", "deployment_tier",
)  # fmt: skip
_ACTIONS = ("start", "stop", "prepare", "verify", "access")
_NAME = re.compile(r"[a-zA-Z0-9_${}. -]([a-zA-Z0-9_/${}. -]*[a-zA-Z0-9_${}. -])?")
_NAME_TEXT = (
    "can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', and spaces, "
    "but it cannot start or end with '/'"
)
_MAX_URL = 255
_KUBERNETES_KEYS = ("namespace", "agent", "flux_resource_path", "managed_resources", "dashboard")


def parse_environment(value: Any, entry: Entry) -> Environment | None:
    if isinstance(value, str):
        return Environment(name=str(value)) if _is_name(value, entry) else None
    if not isinstance(value, dict):
        entry.config("should be a hash or a string", "wrong-type")
        return None
    name = value.get("name")
    named = _is_name(name, entry)
    entry.keys(value, KEYS)
    url = entry.string(value, "url")
    if url is not None and len(url) > _MAX_URL:
        entry.wrong(value, "url", f"is too long (maximum is {_MAX_URL} characters)", "limit")
    action = entry.one_of(
        value, "action", _ACTIONS, "should be start, stop, prepare, verify, or access"
    )
    tier = entry.string(value, "deployment_tier")
    on_stop = entry.string(value, "on_stop")
    kubernetes = value.get("kubernetes")
    if kubernetes is not None and not isinstance(kubernetes, dict):
        entry.wrong(value, "kubernetes", "should be a hash")
        kubernetes = None
    auto_stop_in = entry.string(value, "auto_stop_in")
    if kubernetes is not None:
        _check_kubernetes(kubernetes, entry.child(value, "kubernetes"))
    if not (named and isinstance(name, str)):
        return None
    return Environment(
        name=name,
        url=url,
        action=action or "start",
        on_stop=on_stop,
        auto_stop_in=auto_stop_in,
        deployment_tier=tier,
        kubernetes=kubernetes,
    )


def _is_name(name: Any, entry: Entry) -> bool:
    if is_blank(name):
        entry.say("name can't be blank", "blank")
    if isinstance(name, str) and _NAME.fullmatch(name):
        return not is_blank(name)
    entry.say(f"name {_NAME_TEXT}", "not-allowed")
    return False


def _check_kubernetes(value: Any, entry: Entry) -> None:
    if not value:
        entry.config("can't be blank", "blank")
    entry.keys(value, _KUBERNETES_KEYS)
    dashboard = value.get("dashboard")
    managed = value.get("managed_resources")
    namespace = entry.string(value, "namespace")
    entry.string(value, "agent")
    flux = entry.string(value, "flux_resource_path")
    if not is_blank(flux) and is_blank(value.get("namespace")):
        entry.wrong(value, "namespace", "can't be blank", "blank")
    is_managed = isinstance(managed, dict) and managed.get("enabled") is True
    wants_agent = not (is_blank(flux) and is_blank(dashboard)) or is_managed
    if wants_agent and is_blank(value.get("agent")):
        entry.wrong(value, "agent", "can't be blank", "blank")
    if managed is not None:
        _check_managed(managed, value, entry)
    if not is_blank(dashboard):
        _check_dashboard(dashboard, value, entry)
    if not isinstance(dashboard, dict):
        return
    for key, own in (("namespace", namespace), ("flux_resource_path", flux)):
        if not is_blank(own) and not is_blank(dashboard.get(key)):
            text = f"cannot be specified when dashboard.{key} is set"
            entry.wrong(value, key, text, "conflict")


def _check_managed(managed: Any, value: Any, entry: Entry) -> None:
    if not isinstance(managed, dict):
        entry.wrong(value, "managed_resources", "value at root is not an object")
        return
    for key, item in managed.items():
        if key != "enabled":
            text = f"object property at `/{key}` is a disallowed additional property"
            entry.wrong(value, "managed_resources", text, "unknown-key")
        elif not isinstance(item, bool):
            text = "value at `/enabled` is not a boolean"
            entry.wrong(value, "managed_resources", text)


def _check_dashboard(dashboard: Any, value: Any, entry: Entry) -> None:
    if not isinstance(dashboard, dict):
        entry.wrong(value, "dashboard", "value at root is not an object")
        return
    if "namespace" not in dashboard:
        text = "object at root is missing required properties: namespace"
        entry.wrong(value, "dashboard", text, "missing-key")
    for key, limit in (("namespace", 63), ("flux_resource_path", 255)):
        item = dashboard.get(key)
        if key in dashboard and not isinstance(item, str):
            entry.wrong(value, "dashboard", f"value at `/{key}` is not a string")
        elif isinstance(item, str) and not 1 <= len(item) <= limit:
            how = f"greater than: {limit}" if item else "less than: 1"
            entry.wrong(value, "dashboard", f"string length at `/{key}` is {how}", "limit")
    for key in dashboard:
        if key not in ("namespace", "flux_resource_path"):
            text = f"object property at `/{key}` is a disallowed additional property"
            entry.wrong(value, "dashboard", text, "unknown-key")
