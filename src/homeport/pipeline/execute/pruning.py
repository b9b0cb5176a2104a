"""Which runs of a repository go away when another one begins."""

import os
from pathlib import Path

import msgspec

from homeport.pipeline.execute.state import OBJECTS, Summary, bury, is_live, run_ids, size_of
from homeport.pipeline.execute.workspace import remove


def prune(folder: Path, *, kept_runs: int, kept_bytes: int) -> None:
    """Remove builds without a live run, then the oldest runs beyond the bounds, one more counted
    that is about to begin. A content that several runs have counts once."""
    live = set()
    for name in os.listdir(folder / "builds"):
        if is_live(f"{folder}/runs/{name}"):
            live.add(name)
        else:
            bury(folder, name)
    ended = [f"{folder}/runs/{name}" for name in reversed(run_ids(folder)) if name not in live]
    seen: set[int] | None = set()
    if sum(map(_known_size, ended)) <= kept_bytes:
        seen = None  # what they share can only make it less
    kept, size, removed = 1 + len(live), 0, False
    for run in ended:
        if seen is not None:
            size += size_of(run, seen)
        beyond = kept >= kept_runs or size > kept_bytes
        if beyond and not is_live(run):  # it may be about to end, its builds gone
            # Out of the way first: a live run that is reading from it shall fail, not miss a file.
            aside = f"{folder}/builds/{os.path.basename(run)}"
            os.rename(run, aside)
            remove(aside)
            removed = True
        else:
            kept += 1
    objects = folder / OBJECTS
    if removed and objects.is_dir():
        from homeport.pipeline.execute.objects import Objects

        Objects(objects).prune()


def _known_size(folder: str) -> int:
    try:
        with open(f"{folder}/run.json", "rb", buffering=0) as file:
            summary = msgspec.json.decode(file.read(), type=Summary)
    except (OSError, msgspec.DecodeError):
        return size_of(folder)
    return size_of(folder) if summary.size is None else summary.size
