"""What an engine tells about a pull, in few lines: layers and bytes, every few seconds.

Source: Docker Engine API, "Create an image", the stream of progress messages.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from homeport.lib.units import format_bytes

_EVERY = 3.0
"""Seconds between two lines: a log is not a terminal, and ten jobs may wait for their images."""
_WHOLE = frozenset({"Pull complete", "Already exists", "Download complete"})
_FIRST = "Pulling from "


class PullProgress:
    """The progress of one pull. Docker unpacks a layer after its download, Podman tells of the
    download alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told = clock()
        self._layers: dict[str, str] = {}
        self._bytes: dict[str, tuple[int, int]] = {}

    def lines(self, message: Mapping[str, Any]) -> Iterator[str]:
        """What a message is worth saying."""
        status, layer = str(message.get("status") or ""), str(message.get("id") or "")
        if not status:
            return
        if not layer or status.startswith(_FIRST):
            yield f"{layer}: {status}" if layer else status
            return
        self._layers[layer] = status
        detail = message.get("progressDetail")
        if status == "Downloading" and isinstance(detail, Mapping):
            have, size = detail.get("current"), detail.get("total")
            if isinstance(have, int) and isinstance(size, int) and 0 <= have <= size:
                self._bytes[layer] = have, size
        elif layer in self._bytes:
            size = self._bytes[layer][1]
            self._bytes[layer] = size, size
        now = self._clock()
        if now - self._told >= _EVERY:
            self._told = now
            yield self._summary()

    def _summary(self) -> str:
        whole = sum(status in _WHOLE for status in self._layers.values())
        have, size = (sum(each[at] for each in self._bytes.values()) for at in (0, 1))
        count = len(self._layers)
        layers = f"{whole} of {count} {'layer' if count == 1 else 'layers'}"
        if not size:
            return layers
        return f"{layers}, {format_bytes(have)} of {format_bytes(size)} downloaded"
