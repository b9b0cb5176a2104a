"""A POSIX shell script that makes one machine use the mirror, without homeport on it.

It merges daemon.json by python3 or jq and refuses where it can do neither; other files are its own.
"""

from homeport.enroll.engines.containerd_hosts import render as render_hosts
from homeport.enroll.engines.door import Door
from homeport.enroll.formats.toml_text import add_table
from homeport.enroll.render.wanted import Wanted

PODMAN = "/etc/containers/registries.conf.d/99-homeport.conf"
CERTS = "/etc/containerd/certs.d"
_END = "HOMEPORT_END"

_HEAD = r"""#!/bin/sh
# Rendered by homeport enroll render. Usage, as root: sh homeport-enroll.sh [--check]
# --check changes nothing; status 1: something is not as it should be, 2: it is refused.
# HOMEPORT_ROOT=DIR works on a file system that is mounted there, and reloads nothing.
set -eu
umask 022
ROOT=${HOMEPORT_ROOT-}
CHECK=no
DRIFT=0
RELOAD=no
case ${1-} in
'') ;;
--check) CHECK=yes ;;
*)
  echo "usage: sh homeport-enroll.sh [--check]" >&2
  exit 2
  ;;
esac
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
trap 'exit 2' HUP INT TERM

refuse() {
  echo "homeport-enroll: $*; nothing is changed" >&2
  exit 2
}

# Make a file what stands on standard input, if it is not.
put() {
  cat >"$WORK/new"
  target=$ROOT$1
  if cmp -s "$WORK/new" "$target"; then
    return 0
  fi
  DRIFT=1
  if [ "$CHECK" = yes ]; then
    echo "$1 is not as it should be"
    return 0
  fi
  if [ -L "$target" ]; then
    target=$(readlink -f "$target")
  fi
  mkdir -p "$(dirname "$target")"
  if [ -e "$target" ]; then
    cp -p "$target" "$target.homeport-new"
  fi
  cat "$WORK/new" >"$target.homeport-new"
  mv "$target.homeport-new" "$target"
  echo "$1 is written"
}

merge_by_python() {
  python3 - "$@" <<'HOMEPORT_PYTHON'
import json
import sys


def pairs(found):
    made = dict(found)
    if len(made) != len(found):
        sys.exit("a key comes twice")
    return made


with open(sys.argv[1], encoding="utf-8", newline="") as file:
    text = file.read()
try:
    values = json.loads(text, object_pairs_hook=pairs)
except ValueError as error:
    sys.exit(str(error))
if not isinstance(values, dict):
    sys.exit("it is no object")
changed = False
for key, value in zip(("registry-mirrors", "insecure-registries"), sys.argv[2:]):
    old = values.get(key) or []
    if not isinstance(old, list):
        sys.exit(key + " is no list")
    if value and old[:1] != [value]:
        values[key] = [value] + [entry for entry in old if entry != value]
        changed = True
if changed:
    indent = "\t" if "\n\t" in text else 2
    text = json.dumps(values, indent=indent, ensure_ascii=False) + "\n"
sys.stdout.buffer.write(text.encode("utf-8"))
HOMEPORT_PYTHON
}

merge_by_jq() {
  [ "$(jq -s length "$1")" = 1 ] || return 1
  twice=$(jq -c --stream 'select(length == 2) | .[0]' "$1" | sort | uniq -d)
  [ -z "$twice" ] || return 1
  jq --arg mirror "$2" --arg plain "$3" '
    def lead($value): if $value == "" then . else [$value] + ((. // []) - [$value]) end;
    if type == "object" then . else error("it is no object") end
    | (."registry-mirrors" |= lead($mirror))
    | if $plain == "" then . else ."insecure-registries" |= lead($plain) end
  ' "$1" >"$WORK/jq" || return 1
  if jq . "$1" | cmp -s - "$WORK/jq"; then
    cat "$1"
  else
    cat "$WORK/jq"
  fi
}

# Merge the mirror ($1), and its host ($2) if it has no TLS, into daemon.json.
docker() {
  file=$ROOT/etc/docker/daemon.json
  if [ ! -e "$file" ]; then
    printf '{\n  "registry-mirrors": ["%s"]%s\n}\n' "$1" \
      "${2:+,
  \"insecure-registries\": [\"$2\"]}" >"$WORK/merged"
  elif command -v python3 >/dev/null 2>&1; then
    merge_by_python "$file" "$1" "$2" >"$WORK/merged" || refuse "$file does not read"
  elif command -v jq >/dev/null 2>&1; then
    merge_by_jq "$file" "$1" "$2" >"$WORK/merged" || refuse "$file does not read"
  else
    refuse "$file exists, and there is neither python3 nor jq to merge it"
  fi
  if [ -e "$file" ] && cmp -s "$WORK/merged" "$file"; then
    return 0
  fi
  RELOAD=yes
  put /etc/docker/daemon.json <"$WORK/merged"
}
"""

_TAIL = r"""
if [ "$CHECK" = yes ]; then
  exit "$DRIFT"
fi
if [ "$RELOAD" = yes ] && [ -z "$ROOT" ]; then
  if command -v systemctl >/dev/null 2>&1 && systemctl --quiet is-active docker; then
    systemctl reload docker
    echo "docker is reloaded"
  elif [ -s /var/run/docker.pid ]; then
    kill -HUP "$(cat /var/run/docker.pid)"
    echo "docker is reloaded"
  fi
fi
"""


def script(wanted: Wanted) -> str:
    hub = wanted.hub()
    plain = hub.netloc if hub.scheme == "http" else ""
    parts = [_HEAD, f"docker '{hub.url}' '{plain}'\n"]
    if wanted.ca is not None and hub.scheme == "https":
        parts.append(_put(f"/etc/docker/certs.d/{hub.netloc}/ca.crt", wanted.ca))
    named = wanted.doors(by_name=True)
    parts.append(_where("/etc/containers", _podman(wanted, named)))
    parts.append(_where("/etc/containerd", _containerd(wanted)))
    return "".join((*parts, _TAIL))


def _podman(wanted: Wanted, doors: "tuple[Door, ...]") -> str:
    text = "# Written by homeport-enroll.sh.\n"
    for number, door in enumerate(doors):
        table: dict[str, object] = {"prefix": door.registry, "location": door.registry}
        if wanted.only:
            table["blocked"] = True
        text = add_table(text, PODMAN, ("registry",), table, array=True)
        mirror: dict[str, object] = {"location": door.location}
        if door.plain:
            mirror["insecure"] = True
        text = add_table(text, PODMAN, ("registry", number, "mirror"), mirror, array=True)
    parts = [_put(PODMAN, text)]
    hosts = sorted({door.host for door in doors if wanted.trusts(door)})
    parts += [_put(f"/etc/containers/certs.d/{host}/ca.crt", wanted.ca or "") for host in hosts]
    return "".join(parts)


def _containerd(wanted: Wanted) -> str:
    authority = f"{CERTS}/homeport-ca.crt"
    parts = []
    for door in wanted.doors(by_name=False):
        ca = authority if wanted.trusts(door) else None
        text = render_hosts(door, wanted.request.mode, ca)
        parts.append(_put(f"{CERTS}/{door.registry}/hosts.toml", text))
    if wanted.ca is not None:
        parts.append(_put(authority, wanted.ca))
    return "".join(parts)


def _where(folder: str, body: str) -> str:
    return f'\nif [ -d "$ROOT{folder}" ]; then\n:\n{body}fi\n'


def _put(path: str, content: str) -> str:
    """Everything in it was checked, so that the mark of the end is no line of it."""
    return f"put '{path}' <<'{_END}'\n{content}{_END}\n"
