"""One request on a hostile or closed network: what arrives where, and in which words it fails."""

import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from homeport.errors import ExitCode, MissingError
from homeport.gitlab.fetch import Fetcher
from homeport.gitlab.host import Host
from testbed.web import (
    Answer,
    Asked,
    Authority,
    Server,
    as_json,
    make_authority,
    proxying,
    serving,
    talking,
    to,
)

TOKEN = "glpat-s3cret"  # noqa: S105 - a test's
SECRET_HEADERS = ("private-token", "authorization", "job-token", "x-own")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    with serving(lambda _: Answer(body=b"from elsewhere")) as server:
        yield server


def fetcher(
    env: Mapping[str, str] | None = None,
    hosts: Mapping[str, Host] | None = None,
    *,
    ca: str | None = None,
) -> Fetcher:
    alone = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "HOME": "/nowhere"}
    return Fetcher(hosts=hosts or {}, ca=ca, env={**alone, **(env or {})})


def failure(url: str, *, limit: int = 1000, timeout: float = 5, **options: object) -> MissingError:
    with pytest.raises(MissingError) as caught:
        fetcher(**options).read(url, limit=limit, timeout=timeout)  # type: ignore[arg-type]
    assert caught.value.exit_code is ExitCode.ENVIRONMENT
    return caught.value


def test_a_file_comes_as_bytes_with_its_headers() -> None:
    with serving(lambda _: Answer(body=b"\x00\xff", headers={"X-Kind": "raw"})) as server:
        response = fetcher().get(server.url("/a b?x=1"), headers={"Accept": "text/x"}, limit=2)
        asked = server.asked[0]
    assert (response.status, response.body, response.headers["x-kind"]) == (200, b"\x00\xff", "raw")
    assert (asked.path, asked.query, asked.headers["accept"]) == ("/a%20b", {"x": "1"}, "text/x")
    assert asked.headers["host"] == f"127.0.0.1:{server.port}"
    assert response.authenticated is False


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_server_keeps_the_credential(status: int) -> None:
    def answering(asked: Asked) -> Answer:
        return to("/b", status) if asked.path == "/a" else Answer(body=b"here")

    with serving(answering) as server:
        hosts = {f"127.0.0.1:{server.port}": Host(token_env="T")}  # noqa: S106 - a name
        assert fetcher({"T": TOKEN}, hosts).read(server.url("/a"), limit=10) == b"here"
    assert [asked.headers.get("private-token") for asked in server.asked] == [TOKEN, TOKEN]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_redirect_to_another_server_goes_without_any_credential(
    elsewhere: Server, name: str
) -> None:
    with serving(lambda _: to(elsewhere.url("/x", host=name))) as server:
        hosts = {
            f"127.0.0.1:{server.port}": Host(token_env="T"),  # noqa: S106 - a name
            f"{name}:{elsewhere.port}": Host(token_env="T"),  # noqa: S106 - a name
        }
        response = fetcher({"T": TOKEN}, hosts).get(
            server.url(), headers={"X-Own": "secret"}, limit=100
        )
    assert response.body == b"from elsewhere"
    assert server.asked[0].headers["private-token"] == TOKEN
    assert [key for key in SECRET_HEADERS if key in elsewhere.asked[0].headers] == []
    assert response.authenticated is False


def test_a_credential_does_not_come_back_with_a_second_redirect() -> None:
    home: list[str] = []

    def answering(asked: Asked) -> Answer:
        return Answer(body=b"end") if asked.path == "/end" else to(home[1])

    with serving(lambda _: to(home[0] + "/end")) as other, serving(answering) as server:
        home += [server.url(), other.url()]
        hosts = {f"127.0.0.1:{server.port}": Host(token_env="T")}  # noqa: S106 - a name
        assert fetcher({"T": TOKEN}, hosts).read(server.url("/a"), limit=10) == b"end"
    assert [asked.headers.get("private-token") for asked in server.asked] == [TOKEN, None]


def test_a_body_is_posted_to_no_other_server(elsewhere: Server) -> None:
    with (
        serving(lambda _: to(elsewhere.url("/x"), 307)) as server,
        pytest.raises(MissingError, match=r"redirects to .*: not followed"),
    ):
        fetcher().post(server.url(), b"the content", limit=100)
    assert elsewhere.asked == []


def test_five_redirects_are_followed_and_no_more() -> None:
    def answering(asked: Asked) -> Answer:
        count = int(asked.path[1:])
        return to(f"/{count - 1}") if count else Answer(body=b"end")

    with serving(answering) as server:
        assert fetcher().read(server.url("/5"), limit=10) == b"end"
        error = failure(server.url("/6"))
    assert str(error) == f"{server.url('/0')} is behind more than 5 redirects"


def test_encryption_is_never_given_up(authority: Authority, elsewhere: Server) -> None:
    answering = lambda _: to(elsewhere.url("/plain?token=abc"))  # noqa: E731
    with serving(answering, certificate=authority.certificate) as server:
        error = failure(server.url(), ca=str(authority.ca))
    assert str(error) == (
        f"{server.url('/')} redirects to {elsewhere.url('/plain')}?…, which is not encrypted: "
        "not followed"
    )
    assert elsewhere.asked == []


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://x/y", "http://["])
def test_a_redirect_leads_only_to_the_web(location: str) -> None:
    with serving(lambda _: to(location)) as server:
        assert "redirects to a URL that cannot be read" in str(failure(server.url()))


@pytest.mark.parametrize(
    "where", ["settings", "the host's settings", "SSL_CERT_FILE"], ids=lambda where: where
)
def test_an_own_authority_is_trusted_when_it_is_named(authority: Authority, where: str) -> None:
    ca = str(authority.ca)
    with serving(lambda _: Answer(body=b"x"), certificate=authority.certificate) as server:
        name = f"127.0.0.1:{server.port}"
        options: dict[str, dict[str, object]] = {
            "settings": {"ca": ca},
            "the host's settings": {"hosts": {name: Host(ca=ca)}},
            "SSL_CERT_FILE": {"env": {"SSL_CERT_FILE": ca}},
        }
        got = fetcher(**options[where]).read(server.url(), limit=10)  # type: ignore[arg-type]
    assert got == b"x"


def test_a_certificate_of_nobody_we_know_is_refused(authority: Authority) -> None:
    with serving(lambda _: Answer(), certificate=authority.certificate) as server:
        error = failure(server.url())
        wrong_name = failure(server.url(host="localhost"), ca=str(authority.ca))
    assert str(error).startswith(f"127.0.0.1:{server.port} is not trusted: ")
    assert "SSL_CERT_FILE" in (error.problems[0].hint or "")
    assert "ostname mismatch" in str(wrong_name)
    assert server.asked == []


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file or directory"), ("no PEM", "it holds no certificates")],
)
def test_a_broken_file_of_certificates_is_named(
    authority: Authority, tmp_path: Path, content: str | None, words: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with serving(lambda _: Answer(), certificate=authority.certificate) as server:
        error = failure(server.url(), ca=str(path))
    assert str(error) == f"the certificates in {path} cannot be used: {words}"


def test_https_goes_through_a_proxy_that_sees_only_the_name(authority: Authority) -> None:
    with (
        serving(lambda _: Answer(body=b"in"), certificate=authority.certificate) as server,
        proxying(server.port) as proxy,
    ):
        env = {"https_proxy": f"http://jane:p%40ss@127.0.0.1:{proxy.port}", "T": TOKEN}
        hosts = {"gitlab.test": Host(token_env="T")}  # noqa: S106 - a name
        client = fetcher(env, hosts, ca=str(authority.ca))
        assert client.read("https://gitlab.test/x?y=1", limit=10) == b"in"
    [head] = proxy.asked
    assert head.split("\r\n")[:2] == ["CONNECT gitlab.test:443 HTTP/1.1", "Host: gitlab.test:443"]
    assert "Proxy-Authorization: Basic amFuZTpwQHNz" in head
    assert TOKEN not in head
    assert "proxy-authorization" not in server.asked[0].headers
    assert server.asked[0].headers["private-token"] == TOKEN


def test_http_is_asked_of_the_proxy_itself() -> None:
    with serving(lambda _: Answer(body=b"cached")) as proxy:
        env = {"http_proxy": proxy.url()}
        assert fetcher(env).read("http://files.test/a?b=c", limit=10) == b"cached"
    assert proxy.asked[0].headers["host"] == "files.test"
    assert proxy.asked[0].query == {"b": "c"}


PROXY_WORDS = {
    403: "does not let us through to gitlab.test (status 403)",
    407: "wants a user and a password",
}


@pytest.mark.parametrize(("status", "words"), PROXY_WORDS.items())
def test_a_proxy_that_refuses_is_named_without_its_password(status: int, words: str) -> None:
    with talking(b"HTTP/1.1 %d Nope\r\nContent-Length: 0\r\n\r\n" % status) as proxy:
        env = {"HTTPS_PROXY": f"http://jane:hunter2@127.0.0.1:{proxy.port}"}
        error = failure("https://gitlab.test/x", env=env)
    assert str(error) == f"the proxy 127.0.0.1:{proxy.port} {words}"
    assert "hunter2" not in str(error.problems)


def test_a_proxy_that_is_not_there_is_not_bypassed() -> None:
    with serving(lambda _: Answer()) as server:
        with talking() as closed:
            pass
        error = failure(server.url(), env={"http_proxy": f"http://127.0.0.1:{closed.port}"})
    assert "through the proxy" in str(error)
    assert "nothing listens there" in str(error)
    assert server.asked == []


SILENCE: dict[str, tuple[bytes, ...]] = {
    "nothing at all": (),
    "a header without an end": (b"HTTP/1.1 200 OK\r\nX: ", *([b"x"] * 100)),
    "a body in drops": (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", *([b"x"] * 100)),
    "interim answers for ever": (b"HTTP/1.1 100 Continue\r\n\r\n",) * 100,
}


@pytest.mark.parametrize("parts", SILENCE.values(), ids=SILENCE)
def test_a_server_that_keeps_us_waiting_is_left(parts: tuple[bytes, ...]) -> None:
    with talking(*parts, pause=0.1) as server:
        began = time.monotonic()
        error = failure(server.url("/x"), timeout=0.5)
        took = time.monotonic() - began
    assert str(error) == f"{server.url('/x')} cannot be read: no answer within 0.5 seconds"
    assert 0.4 < took < 3


def test_a_black_hole_is_left_in_time() -> None:
    # A full backlog drops further connections, as a firewall does.
    hole = socket.socket()
    hole.bind(("127.0.0.1", 0))
    hole.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(hole.getsockname())
    error = failure(f"http://127.0.0.1:{hole.getsockname()[1]}/", timeout=0.5)
    for each in (hole, *fillers):
        each.close()
    assert "no answer" in str(error)


BROKEN: dict[str, tuple[bytes, str]] = {
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", "what answers does not speak HTTP"),
    "an end in the middle": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nabc",
        "it hung up in the middle of the answer",
    ),
    "no answer": (b"", "it hung up in the middle of the answer"),
}


@pytest.mark.parametrize(("answer", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_told(answer: bytes, words: str) -> None:
    with talking(answer) as server:
        assert str(failure(server.url())) == f"{server.url()} cannot be read: {words}"


TOO_LARGE = {
    "announced": (b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + b"x" * 11,),
    "unannounced": (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 11,),
    "in chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"b\r\n" + b"x" * 11),
}


@pytest.mark.parametrize("parts", TOO_LARGE.values(), ids=TOO_LARGE)
def test_no_more_than_the_limit_is_read(parts: tuple[bytes, ...]) -> None:
    with talking(*parts) as server:
        assert str(failure(server.url(), limit=10)) == f"{server.url()} is larger than 10 bytes"


def test_exactly_the_limit_is_read() -> None:
    with serving(lambda _: Answer(body=b"x" * 10)) as server:
        assert fetcher().read(server.url(), limit=10) == b"x" * 10


REFUSALS = {
    401: ("log in first", "if a credential is needed: set GITLAB_TOKEN and GITLAB_HOST="),
    403: ("access is forbidden", "if a credential is needed"),
    404: ("not found", "if a credential is needed"),
    429: ("too many requests", "try again in 17 seconds"),
    500: ("the server has failed", ""),
    418: ("the request is refused", ""),
}


@pytest.mark.parametrize(("status", "words"), REFUSALS.items())
def test_a_refusal_in_words(status: int, words: tuple[str, str]) -> None:
    answer = as_json({"message": "told\nby GitLab"}, status, Retry_After="17")
    with serving(lambda _: answer) as server:
        error = failure(server.url("/a?private_token=abc"))
    assert str(error) == f"{server.url('/a')}?…: {words[0]} (status {status}): told by GitLab"
    assert (error.problems[0].hint or "").startswith(words[1])


AUTHENTICATED = {401: "expired", 403: "scope", 404: "may not see it"}


@pytest.mark.parametrize(("status", "hint"), AUTHENTICATED.items())
def test_a_refusal_with_a_credential_never_shows_it(status: int, hint: str) -> None:
    with serving(lambda a: as_json({"error": f"bad {a.headers}"[:190]}, status)) as server:
        hosts = {f"127.0.0.1:{server.port}": Host(token_env="T")}  # noqa: S106 - a name
        error = failure(server.url(), env={"T": TOKEN}, hosts=hosts)
    assert server.asked[0].headers["private-token"] == TOKEN
    assert TOKEN not in str(error.problems)
    assert hint in (error.problems[0].hint or "")


BAD_URLS = [
    "file:///etc/passwd",
    "ftp://host/x",
    "/etc/passwd",
    "http://",
    "http://a b/",
    "http://host:99999/",
    "http://host:x/",
    "http://[::1/",
    "http://host/\r\nX-Injected: 1",
    "https://" + "a" * 9000,
    "http://" + "a" * 70 + ".\u00e9/",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_what_is_no_url_of_the_web_is_refused(url: str) -> None:
    assert str(failure(url)).startswith("this URL cannot be read: ")


def test_an_unknown_name_is_told_with_the_way_out() -> None:
    error = failure("https://jane:hunter2@name.invalid/x?sig=abc")
    assert str(error) == ("https://name.invalid/x?… cannot be read: its name is not known here")
    assert "https_proxy" in (error.problems[0].hint or "")
