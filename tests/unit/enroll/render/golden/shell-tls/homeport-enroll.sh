#!/bin/sh
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
docker 'https://mirror.corp:5444' ''
put '/etc/docker/certs.d/mirror.corp:5444/ca.crt' <<'HOMEPORT_END'
-----BEGIN CERTIFICATE-----
MIIBszCCAVmgAwIBAgIU
AAAA+/==
-----END CERTIFICATE-----
HOMEPORT_END

if [ -d "$ROOT/etc/containers" ]; then
:
put '/etc/containers/registries.conf.d/99-homeport.conf' <<'HOMEPORT_END'
# Written by homeport-enroll.sh.

[[registry]]
prefix = "docker.io"
location = "docker.io"

[[registry.mirror]]
location = "mirror.corp:5444"

[[registry]]
prefix = "ghcr.io"
location = "ghcr.io"

[[registry.mirror]]
location = "mirror.corp:5443/ghcr.io"

[[registry]]
prefix = "registry.example:5000"
location = "registry.example:5000"

[[registry.mirror]]
location = "mirror.corp:5443/registry.example_5000"
HOMEPORT_END
put '/etc/containers/certs.d/mirror.corp:5443/ca.crt' <<'HOMEPORT_END'
-----BEGIN CERTIFICATE-----
MIIBszCCAVmgAwIBAgIU
AAAA+/==
-----END CERTIFICATE-----
HOMEPORT_END
put '/etc/containers/certs.d/mirror.corp:5444/ca.crt' <<'HOMEPORT_END'
-----BEGIN CERTIFICATE-----
MIIBszCCAVmgAwIBAgIU
AAAA+/==
-----END CERTIFICATE-----
HOMEPORT_END
fi

if [ -d "$ROOT/etc/containerd" ]; then
:
put '/etc/containerd/certs.d/docker.io/hosts.toml' <<'HOMEPORT_END'
# Written by homeport enroll; `homeport enroll undo` removes it.
server = "https://registry-1.docker.io"

[host."https://mirror.corp:5444"]
  capabilities = ["pull", "resolve"]
  ca = "/etc/containerd/certs.d/homeport-ca.crt"
HOMEPORT_END
put '/etc/containerd/certs.d/ghcr.io/hosts.toml' <<'HOMEPORT_END'
# Written by homeport enroll; `homeport enroll undo` removes it.
server = "https://ghcr.io"

[host."https://mirror.corp:5443"]
  capabilities = ["pull", "resolve"]
  ca = "/etc/containerd/certs.d/homeport-ca.crt"
HOMEPORT_END
put '/etc/containerd/certs.d/registry.example:5000/hosts.toml' <<'HOMEPORT_END'
# Written by homeport enroll; `homeport enroll undo` removes it.
server = "https://registry.example:5000"

[host."https://mirror.corp:5443"]
  capabilities = ["pull", "resolve"]
  ca = "/etc/containerd/certs.d/homeport-ca.crt"
HOMEPORT_END
put '/etc/containerd/certs.d/homeport-ca.crt' <<'HOMEPORT_END'
-----BEGIN CERTIFICATE-----
MIIBszCCAVmgAwIBAgIU
AAAA+/==
-----END CERTIFICATE-----
HOMEPORT_END
fi

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
