"""Have a job's image in the engine, by its list of pull policies, once per run.

Source: GitLab Runner, docs/executors/docker.md, "Configure how runners pull images".
"""

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from homeport.engine.api import Engine, EngineError, ImageInfo
from homeport.pipeline.execute.api import ExecutorError, Stop

Note = Callable[[str], None]


class Images:
    """The images of one run: jobs of the same image share one look and one pull."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._locks: dict[tuple[str, str | None], threading.Lock] = {}
        self._used: dict[tuple[str, str | None], ImageInfo] = {}

    def ensure(
        self,
        reference: str,
        platform: str | None,
        policies: Sequence[str],
        note: Note,
        stop: Stop | None = None,
    ) -> ImageInfo:
        """The image, pulled if the policies say so, tried in their order.

        Raises `ExecutorError` with the reason of the last policy that failed, or soon after `stop`
        was requested.
        """
        stop = stop or Stop()
        key = (reference, platform)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._used:
                self._used[key] = self._find(reference, platform, policies, note, stop)
            return self._used[key]

    def _find(
        self,
        reference: str,
        platform: str | None,
        policies: Sequence[str],
        note: Note,
        stop: Stop,
    ) -> ImageInfo:
        last = ""
        for number, policy in enumerate(policies, 1):
            if number > 1:
                note(f'Attempt #{number}: Trying "{policy}" pull policy')
            try:
                image = self._by_policy(reference, platform, policy, note, stop)
            except EngineError as error:
                last = str(error)
                note(f'Failed to pull image with policy "{policy}": {last}')
                continue
            note(f"Using docker image {image.id} for {reference}")
            return image
        raise ExecutorError(
            f'failed to pull image "{reference}" with specified policies '
            f"[{' '.join(policies)}]: {last or 'no pull policy is given'}"
        )

    def _by_policy(
        self, reference: str, platform: str | None, policy: str, note: Note, stop: Stop
    ) -> ImageInfo:
        present = self._engine.image(reference)
        if present is not None and not _is_for(present, platform):
            present = None
        if present is not None and (policy != "always" or present.id == reference):
            if policy == "if-not-present":
                note(f'Using locally found image version due to "{policy}" pull policy')
            return present
        if policy == "never":
            raise EngineError.of(f"No such image: {reference}", code="image-missing")
        note(f"Pulling docker image {reference}{f' for platform {platform}' if platform else ''}")
        self._pull(reference, platform, note, stop)
        pulled = self._engine.image(reference)
        if pulled is None:
            raise EngineError.of(f"No such image after its pull: {reference}", code="image-missing")
        return pulled

    def _pull(self, reference: str, platform: str | None, note: Note, stop: Stop) -> None:
        """Pull on a thread of its own, which is left behind when somebody wants us to stop.

        The engine's connection ends with the run, and with it the pull.
        """
        told: SimpleQueue[str | EngineError | None] = SimpleQueue()

        def pull() -> None:
            try:
                self._engine.pull(reference, platform, told.put)
            except EngineError as error:
                told.put(error)
            else:
                told.put(None)

        unsubscribe = stop.subscribe(lambda: told.put(None))
        try:
            if stop.reason is None:
                threading.Thread(target=pull, daemon=True).start()
            while (message := told.get()) is not None:
                if isinstance(message, EngineError):
                    raise message
                note(message)
        finally:
            unsubscribe()
        if stop.reason is not None:
            raise ExecutorError(f"image {reference} was not pulled: {stop.reason}")


def _is_for(image: ImageInfo, platform: str | None) -> bool:
    """Whether an image is of `os/architecture`, variants aside; a bare word is an architecture."""
    if not platform or not image.platform:
        return True
    wanted = platform if "/" in platform else f"linux/{platform}"
    return image.platform.split("/")[:2] == wanted.split("/")[:2]
