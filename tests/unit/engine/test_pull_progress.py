"""Progress of pulls as lines: few, and with the right sums."""

from collections.abc import Mapping
from typing import Any

from homeport.engine.pull_progress import PullProgress

MIB = 1 << 20
Message = Mapping[str, Any]


def loading(layer: str, current: int, total: int, status: str = "Downloading") -> Message:
    return {"status": status, "id": layer, "progressDetail": {"current": current, "total": total}}


def told(*messages: tuple[float, Message]) -> list[str]:
    """What is said of messages that come at these seconds."""
    now = 0.0
    progress = PullProgress(lambda: now)
    lines = []
    for now, message in messages:  # noqa: B007 - the clock reads it
        lines += progress.lines(message)
    return lines


def test_layers_and_bytes_are_summed_up_every_few_seconds() -> None:
    assert told(
        (0, {"status": "Pulling from library/x", "id": "3.20"}),
        (0, {"status": "Already exists", "id": "a"}),
        (0, {"status": "Pulling fs layer", "id": "b"}),
        (0, {"status": "Pulling fs layer", "id": "c"}),
        (1, loading("b", 1 * MIB, 4 * MIB)),
        (4, loading("c", 1 * MIB, 8 * MIB)),
        (5, loading("c", 2 * MIB, 8 * MIB)),
        (6, {"status": "Download complete", "id": "b"}),
        (8, loading("b", 1, 4 * MIB, "Extracting")),
        (9, {"status": "Pull complete", "id": "b"}),
        (9.5, {"status": "Digest: sha256:1"}),
    ) == [
        "3.20: Pulling from library/x",
        "1 of 3 layers, 2.0 MiB of 12.0 MiB downloaded",
        "1 of 3 layers, 6.0 MiB of 12.0 MiB downloaded",
        "Digest: sha256:1",
    ]


def test_a_quick_pull_says_only_what_it_got() -> None:
    quick = [(number / 10, loading("a", number, 20)) for number in range(20)]
    assert told(*quick, (2.5, {"status": "Status: Downloaded newer image for x:1"})) == [
        "Status: Downloaded newer image for x:1"
    ]


def test_an_engine_may_say_anything() -> None:
    assert told(
        (0, {}),
        (0, {"status": None, "id": None}),
        (4, {"status": "Downloading", "id": "a", "progressDetail": {"current": "x", "total": -1}}),
        (8, {"status": "Downloading", "id": "a", "progressDetail": None}),
    ) == ["0 of 1 layer", "0 of 1 layer"]
