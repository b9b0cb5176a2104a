#!/bin/sh
# COUNT small files packed and unpacked HOPS times: what handing them on costs at the least.
# usage: tar_passes.sh COUNT HOPS
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir files
for n in $(seq "$1"); do echo "$n" > "files/$n"; done
for hop in $(seq "$2"); do
  mkdir "$hop"
  tar -c files | tar -x -C "$hop"
done
