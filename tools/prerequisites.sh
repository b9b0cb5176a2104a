#!/bin/sh
# What must be there before the environment can be made: git, and python3 with its venv module.
# Installs Debian's packages as root or with `sudo -n`; else says the one command to type.
set -eu
python=${1:-python3}

packages=
command -v git >/dev/null || packages="git"
"$python" -c 'import ensurepip, venv' 2>/dev/null || packages="$packages python3-venv"
[ -n "$packages" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root='sudo -n'
else
    echo "Please install what is missing, then try again: sudo apt-get install -y $packages" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
install="$as_root apt-get install -y -qq --no-install-recommends $packages"
# shellcheck disable=SC2086 # the words are package names
$install </dev/null >/dev/null 2>&1 || { $as_root apt-get update -qq </dev/null && $install </dev/null; }
