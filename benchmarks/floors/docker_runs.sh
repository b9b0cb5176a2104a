#!/bin/sh
# A trivial command in COUNT containers, one after the other.
# usage: docker_runs.sh COUNT
set -e
for n in $(seq "$1"); do docker run --rm busybox:latest echo "task $n"; done
