#!/bin/sh
# Run the example pipeline in a repository of its own. Usage: demo.sh PATH/TO/homeport
set -eu
homeport=$(realpath -s "$1")
here=$(cd "$(dirname "$0")" && pwd)

repository=$(mktemp -d)
trap 'rm -rf "$repository"' EXIT
trap 'exit 130' INT TERM
cp -R "$here/pipeline/." "$repository"
cd "$repository"
git init -q -b main
git add .
git -c user.name=Demo -c user.email=demo@example.com -c commit.gpgsign=false commit -q -m 'Two poems'

image=$("$(dirname "$homeport")/python" "$here/find_image.py")
say() { printf '\n$ %s\n' "$*"; }

say homeport list --all
"$homeport" list --all ${image:+--variable "DEMO_IMAGE=$image"} </dev/null
say homeport run
"$homeport" run ${image:+--variable "DEMO_IMAGE=$image"} </dev/null
[ -n "$image" ] || printf '\n%s\n' 'No container engine with a small image at hand: the container job was left out.'
