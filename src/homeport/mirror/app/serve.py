"""`homeport mirror serve`: one loop, its signals, and the way down."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import uvloop

from homeport.errors import ExitCode, HomeportError
from homeport.mirror.app.log import configure
from homeport.mirror.app.mirror import Mirror
from homeport.mirror.model.config import MirrorConfig

log = logging.getLogger("homeport.mirror")


def run(config: MirrorConfig, *, reload: Callable[[], MirrorConfig]) -> int:
    """Serve until SIGTERM or SIGINT; SIGHUP reads the configuration anew by `reload`.

    Raises HomeportError where it cannot start.
    """
    configure()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return int(runner.run(_serve(config, reload)))


async def _serve(config: MirrorConfig, reload: Callable[[], MirrorConfig]) -> ExitCode:
    stop, again = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    # Who stops it at a terminal waits for no balancer to look.
    announced = True

    def interrupted() -> None:
        nonlocal announced
        announced = False
        stop.set()

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    mirror = Mirror(config)
    if not await _open(mirror, stop):
        return ExitCode.OK
    reloader = asyncio.create_task(_reload(mirror, again, reload))
    try:
        await stop.wait()
        await _stop(mirror, stop, announced=announced)
    finally:
        reloader.cancel()
    return ExitCode.OK


async def _stop(mirror: Mirror, again: asyncio.Event, *, announced: bool) -> None:
    """A second signal ends each wait at once. `announced`: `/readyz` says so for `drain_lead`,
    which is a part of `drain_timeout`, while everything is served as before."""
    limits = mirror.config.limits
    log.info("stopping: transfers have %g s to end", limits.drain_timeout)
    lead = min(limits.drain_lead, limits.drain_timeout) if announced else 0.0
    mirror.draining = True
    again.clear()
    with suppress(TimeoutError):
        await asyncio.wait_for(again.wait(), lead)
    closing = asyncio.create_task(mirror.close(limits.drain_timeout - lead))
    hurry = asyncio.create_task(again.wait())
    await asyncio.wait((closing, hurry), return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not closing.done():
        await mirror.server.close(0)
    await closing


async def _open(mirror: Mirror, stop: asyncio.Event) -> bool:
    """False where it was told to stop meanwhile: a large store takes its time."""
    opening, stopping = asyncio.create_task(mirror.open()), asyncio.create_task(stop.wait())
    await asyncio.wait((opening, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not opening.done():
        opening.cancel()
    try:
        await opening
    except asyncio.CancelledError:
        log.info("stopped before it served")
        return False
    return True


async def _reload(mirror: Mirror, again: asyncio.Event, read: Callable[[], MirrorConfig]) -> None:
    while True:
        await again.wait()
        again.clear()
        try:
            await mirror.reload(await asyncio.to_thread(read))
        except HomeportError as error:
            problems = [str(problem) for problem in error.problems]
        except (OSError, ValueError) as error:
            problems = [str(error)]
        except Exception as error:
            log.exception("the reload failed")
            problems = [f"a defect of homeport: {type(error).__name__}"]
        else:
            problems = []
        for problem in problems:
            log.error("reload refused, nothing changed: %s", problem)
        if not problems:
            log.info("reloaded")
        mirror.last_reload = {"time": time.time(), "ok": not problems, "problems": problems[:100]}
