"""Have a job's image in the engine, by its list of pull policies, once per run.

Source: GitLab Runner, docs/executors/docker.md, "Configure how runners pull images".
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from queue import SimpleQueue

from homeport.engine.api import Engine, EngineError, ImageInfo
from homeport.engine.login import find_login
from homeport.lib.redact import Redactor
from homeport.pipeline.execute.api import ExecutorError, Stop
from homeport.pipeline.execute.pull_failure import PullFailures
from homeport.pipeline.plan.registry_prefix import NO_PREFIXES, RegistryPrefixes

Note = Callable[[str], None]


class Images:
    """The images of one run: jobs share one pull, and those of the same policies one look.

    Each job's own policies decide, as in the Runner. An image that this run has pulled satisfies
    all of them: it is there, and it is as new as the run.
    """

    def __init__(
        self,
        engine: Engine,
        env: Mapping[str, str] = {},
        prefixes: RegistryPrefixes = NO_PREFIXES,
    ) -> None:
        """`env` is the user's environment, where logins of registries are looked for; `prefixes`
        say under which name an image is pulled."""
        self._engine = engine
        self._prefixes = prefixes
        self._env = env
        self._failures = PullFailures(engine)
        self._lock = threading.Lock()
        self._locks: dict[tuple[str, str | None], threading.Lock] = {}
        self._pulled: dict[tuple[str, str | None], ImageInfo] = {}
        self._found: dict[tuple[str, str | None, tuple[str, ...]], ImageInfo] = {}

    def name(self, reference: str) -> str:
        """The name by which the engine has an image of the pipeline."""
        return self._prefixes.pulled_as(reference)

    def ensure(
        self,
        reference: str,
        platform: str | None,
        policies: Sequence[str],
        note: Note,
        stop: Stop | None = None,
        *,
        job: Mapping[str, str] = {},
    ) -> ImageInfo:
        """The image, pulled if the policies say so, tried in their order.

        `job` are the variables of the job, which may hold a login (`engine.login`).
        Raises `ExecutorError` with the reason of the last policy that failed, or soon after `stop`
        was requested.
        """
        stop = stop or Stop()
        told = self._prefixes.note(reference)
        if told is not None:
            note(told)
        reference = self.name(reference)
        key = (reference, platform)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            known = self._pulled.get(key) or self._found.get((*key, tuple(policies)))
            if known is not None:
                return known
            puller = _Puller(
                self._engine,
                platform,
                note,
                stop,
                job=job,
                env=self._env,
                explain=partial(self._failures.explain, renamed=told is not None),
            )
            image = self._found[(*key, tuple(policies))] = puller.find(reference, policies)
            if puller.pulled:
                self._pulled[key] = image
            return image


class _Puller:
    """Finds one image for one job."""

    def __init__(
        self,
        engine: Engine,
        platform: str | None,
        note: Note,
        stop: Stop,
        *,
        job: Mapping[str, str],
        env: Mapping[str, str],
        explain: Callable[[str, str], Iterable[str]],
    ) -> None:
        self._engine = engine
        self._platform = platform
        self._note = note
        self._stop = stop
        self._job = job
        self._env = env
        self._explain = explain
        self.pulled = False
        """Whether the image that was found is fresh from its registry."""

    def find(self, reference: str, policies: Sequence[str]) -> ImageInfo:
        last = ""
        for number, policy in enumerate(policies, 1):
            if number > 1:
                self._note(f'Attempt #{number}: Trying "{policy}" pull policy')
            try:
                image = self._by_policy(reference, policy)
            except EngineError as error:
                last = str(error)
                self._note(f'Failed to pull image with policy "{policy}": {last}')
                if error.problems[0].code == "engine-pull":
                    for line in self._explain(reference, last):
                        self._note(line)
                continue
            self._note(f"Using docker image {image.id} for {reference}")
            return image
        raise ExecutorError(
            f'failed to pull image "{reference}" with specified policies '
            f"[{' '.join(policies)}]: {last or 'no pull policy is given'}"
        )

    def _by_policy(self, reference: str, policy: str) -> ImageInfo:
        present = self._engine.image(reference)
        if present is not None and not _is_for(present, self._platform):
            present = None
        if present is not None and (policy != "always" or present.id == reference):
            if policy == "if-not-present":
                self._note(f'Using locally found image version due to "{policy}" pull policy')
            return present
        if policy == "never":
            raise EngineError.of(f"No such image: {reference}", code="image-missing")
        self._pull(reference)
        pulled = self._engine.image(reference)
        if pulled is None:
            raise EngineError.of(f"No such image after its pull: {reference}", code="image-missing")
        self.pulled = True
        return pulled

    def _pull(self, reference: str) -> None:
        """Pull on a thread of its own, which is left behind when somebody wants us to stop.

        The engine's connection ends with the run, and with it the pull.
        """
        platform, stop = self._platform, self._stop
        login = find_login(reference, self._job, self._env, self._note)
        secrets = () if login is None else (login.password, login.identity_token)
        redactor = Redactor(secrets)
        self._note(
            f"Pulling docker image {reference}{f' for platform {platform}' if platform else ''}"
            f"{f' with the login for {login.server}' if login else ''}"
        )
        told: SimpleQueue[str | EngineError | None] = SimpleQueue()

        def pull() -> None:
            try:
                self._engine.pull(reference, platform, told.put, login)
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
                    # A registry may say anything, what it was told among it.
                    raise EngineError.of(redactor.redact_text(str(message)), code="engine-pull")
                self._note(redactor.redact_text(message))
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
