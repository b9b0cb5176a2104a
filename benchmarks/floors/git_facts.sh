#!/bin/sh
# What any tool must ask git for before it can evaluate rules.
git rev-parse --show-toplevel --git-dir HEAD
git symbolic-ref -q HEAD
git log -1 --format=%H%n%an%n%ae%n%cI%n%B
git for-each-ref
