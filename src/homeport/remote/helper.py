"""Docker's credential helpers: a program that reads a server's name and writes a login as JSON
(docker-credential-helpers, README, Development)."""

import asyncio
import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress

import msgspec
from msgspec import Struct

from homeport.remote.login import Login, login_of

HELPER_SECONDS = 20.0
_MAX_ANSWER = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NOT_FOUND = b"credentials not found"


class HelperError(Exception):
    """It could not be asked, or answered nothing of use. Its own words are not repeated: they may
    hold what it should keep."""


class _Answer(Struct):
    Username: str = ""
    Secret: str = ""


async def ask_helper(
    name: str, server: str, *, env: Mapping[str, str], seconds: float = HELPER_SECONDS
) -> Login | None:
    """The login of a server, None where the helper knows none. `name` is NAME of a program
    `docker-credential-NAME`, or an absolute path."""
    program = name
    if not name.startswith("/"):
        name = name.removeprefix("docker-credential-")
        if _NAME.fullmatch(name) is None:
            raise HelperError(f"{name[:64]!r} is not the name of a credential helper")
        program = f"docker-credential-{name}"
    # In a thread: pipes of children differ from loop to loop, and this is asked rarely.
    status, answer = await asyncio.to_thread(_run, program, f"{server}\n".encode(), env, seconds)
    if status != 0:
        if _NOT_FOUND in answer.lower():
            return None
        raise HelperError(f"{program} failed with status {status}")
    try:
        found = msgspec.json.decode(answer, type=_Answer)
        return login_of(found.Username, found.Secret)
    except (ValueError, RecursionError):  # DecodeError is a ValueError
        raise HelperError(f"{program} did not answer with a login") from None


def _run(
    program: str, question: bytes, env: Mapping[str, str], seconds: float
) -> tuple[int, bytes]:
    """The status and answer of the program, which is ended with all its children."""
    try:
        process = subprocess.Popen(
            [program, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(env),
            start_new_session=True,
        )
    except OSError as error:
        raise HelperError(f"{program} cannot be started: {error.strerror}") from None
    late = threading.Event()

    def end() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    with process:
        try:
            answer = _exchange(process, question)
            if len(answer) <= _MAX_ANSWER:
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        finally:
            timer.cancel()
            timer.join()
            _kill(process)  # before it is reaped: until then its number is its own
    if len(answer) > _MAX_ANSWER:
        raise HelperError(f"{program} answered too much")
    if late.is_set():
        raise HelperError(f"{program} did not answer in {seconds:g} seconds")
    return process.returncode, answer


def _exchange(process: "subprocess.Popen[bytes]", question: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise HelperError("a credential helper has no pipes")
    with suppress(BrokenPipeError):
        process.stdin.write(question)
        process.stdin.close()
    return process.stdout.read(_MAX_ANSWER + 1)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    # Whatever it started goes with it; it leads a group of its own.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
