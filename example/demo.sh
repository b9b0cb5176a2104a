#!/bin/sh
# Run the example pipeline in a repository of its own. Usage: demo.sh PATH/TO/homeport
set -eu
homeport=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
here=$(cd "$(dirname "$0")" && pwd)

# Made anew each time, with the run's logs beside it to look at; `make clean` removes it.
demo=$(dirname "$here")/build/demo
rm -rf "$demo"
mkdir -p "$demo"
cp -R "$here/pipeline" "$demo/repository"
export XDG_STATE_HOME="$demo/state" XDG_CACHE_HOME="$demo/cache"
cd "$demo/repository"
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
