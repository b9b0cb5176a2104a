"""A small GitLab on loopback: the few calls of its API that homeport makes."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from testbed.web import Answer, Asked, Server, as_json, serving

NOT_FOUND = as_json({"message": "404 Not Found"}, 404)
PER_PAGE = 2
"""The fake's pages are short, so that small lists have several."""


class FakeGitLab:
    """`answers` maps paths below `/api/v4` (decoded) to what is answered: JSON, bytes, an `Answer`,
    or a function of the request. Lists are paged. Without the `token` nothing is found."""

    def __init__(self, answers: Mapping[str, Any], token: str | None = None) -> None:
        self.answers = dict(answers)
        self.token = token
        self.server: Server

    def __call__(self, asked: Asked) -> Answer:
        if self.token is not None and asked.headers.get("private-token") != self.token:
            given = "private-token" in asked.headers
            return as_json({"message": "401 Unauthorized"}, 401) if given else NOT_FOUND
        answer = self.answers.get(unquote(asked.path).removeprefix("/api/v4"))
        if callable(answer):
            answer = answer(asked)
        if answer is None:
            return NOT_FOUND
        if isinstance(answer, Answer):
            return answer
        if isinstance(answer, bytes):
            return Answer(body=answer)
        return self._page(answer, asked) if isinstance(answer, list) else as_json(answer)

    def _page(self, entries: list[Any], asked: Asked) -> Answer:
        page = int(asked.query["page"])
        shown = entries[(page - 1) * PER_PAGE : page * PER_PAGE]
        following = str(page + 1) if page * PER_PAGE < len(entries) else ""
        return as_json(shown, X_Next_Page=following)

    @property
    def url(self) -> str:
        return self.server.url()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def asked(self) -> list[str]:
        return [f"{asked.method} {unquote(asked.path)}" for asked in self.server.asked]

    def questions(self) -> list[Any]:
        return [json.loads(asked.body) for asked in self.server.asked if asked.body]


@contextmanager
def fake_gitlab(
    answers: Mapping[str, Any | Callable[[Asked], Any]], token: str | None = None
) -> Iterator[FakeGitLab]:
    fake = FakeGitLab(answers, token)
    with serving(fake) as server:
        fake.server = server
        yield fake
