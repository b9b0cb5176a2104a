"""Why a pull has failed, beside the engine's own words: what its mirror says, and the cure."""

import threading
from collections.abc import Callable, Iterator, Sequence

from homeport.engine.api import Engine, EngineError
from homeport.oci.image_name import HUB, ImageName

Ask = Callable[[Sequence[str], str], Sequence[str]]
"""Mirrors and an image → what each of them says (`engine.mirror_answer.ask_mirrors`)."""

_UNREACHED = (
    "no such host",
    "connection refused",
    "i/o timeout",
    "client.timeout",
    "context deadline exceeded",
    "network is unreachable",
    "no route to host",
    "server misbehaving",
    "temporary failure in name resolution",
    "tls handshake timeout",
    "connection reset by peer",
)
"""How engines (in Go) say that they did not reach a registry, in small letters."""
_OWN_MIRRORS = "mirrors also failed"
"""Podman names its mirrors itself."""


class PullFailures:
    """For one run: the cure is told once, however many jobs fail."""

    def __init__(self, engine: Engine, ask: Ask | None = None) -> None:
        self._engine = engine
        self._ask = ask
        self._lock = threading.Lock()
        self._told = False

    def explain(self, image: str, said: str, *, renamed: bool = False) -> Iterator[str]:
        """Lines for a job's log. `said` are the engine's words; `renamed`: the user has the image
        pulled from a registry of his own already. Takes up to some seconds; never raises."""
        words = said.lower()
        if _OWN_MIRRORS in words:
            return
        mirrors = self._mirrors()
        answers = tuple(self._asked(mirrors, image)) if mirrors else ()
        yield from answers
        if mirrors or renamed or not any(part in words for part in _UNREACHED):
            return
        name = ImageName.parse(image)
        if name is None or name.registry == "localhost" or name.registry.startswith("localhost:"):
            return
        with self._lock:
            told, self._told = self._told, True
        if not told:
            yield cure(name.registry)

    def _asked(self, mirrors: Sequence[str], image: str) -> Sequence[str]:
        if self._ask is not None:
            return self._ask(mirrors, image)
        from homeport.engine.mirror_answer import ask_mirrors

        return ask_mirrors(mirrors, image)

    def _mirrors(self) -> Sequence[str]:
        try:
            return self._engine.mirrors()
        except EngineError:
            return ()


def cure(registry: str) -> str:
    """What helps on a network that does not reach a registry."""
    more, alone = "", "CONTAINER_REGISTRY=HOST"
    if registry != HUB:
        more = f" --registries {HUB},{registry}"
        alone = f"--registry-prefix {registry}=HOST/PATH"
    return (
        f"this network does not reach {registry}: `homeport enroll apply --mirror URL{more}` "
        f"points every tool at a mirror; {alone} cures homeport run alone"
    )
