"""Tokens that are signed here: GitLab's claims, the secret key, and that our mirror takes them."""

import asyncio
import json
import stat
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from homeport.errors import MissingError
from homeport.mirror.auth.authenticator import make_authenticator
from homeport.pipeline.execute.api import ExecutorError
from homeport.pipeline.execute.id_tokens import KEY_FILE, issue_tokens, public_keys
from homeport.pipeline.model.plan import IdToken, JobPlan, Runs

CLAIMS = {
    "iss": "https://gitlab.corp",
    "sub": "project_path:team/app:ref_type:branch:ref:main",
    "project_path": "team/app",
    "ref_protected": "true",
}


def plan(timeout: float = 3600.0, **tokens: IdToken) -> JobPlan:
    return JobPlan(
        name="job",
        stage="test",
        runs=Runs.SHELL,
        id_tokens=tokens,
        claims=CLAIMS,
        timeout=timeout,
    )


def issue(folder: Path, job: JobPlan) -> dict[str, str]:
    found = issue_tokens(job, lambda text: text.replace("$HOST", "vault.corp"), folder)
    assert all(variable.masked and variable.raw for variable in found)
    return {variable.key: variable.value for variable in found}


def claims_of(token: str, folder: Path) -> dict[str, Any]:
    keys = json.dumps(public_keys(folder))
    key = jwt.PyJWKSet.from_json(keys)[jwt.get_unverified_header(token)["kid"]]
    found: dict[str, Any] = jwt.decode(
        token, key.key, algorithms=["RS256"], options={"verify_aud": False}
    )
    return found


@pytest.mark.parametrize(("timeout", "seconds"), [(3600.0, 3600), (60.0, 300)])
def test_a_token_says_what_gitlabs_do(tmp_path: Path, timeout: float, seconds: int) -> None:
    one, two = IdToken(audience="https://$HOST"), IdToken(audience=("a", "$HOST"))
    tokens = issue(tmp_path, plan(timeout, ONE=one, TWO=two))
    found, other = (claims_of(tokens[name], tmp_path) for name in ("ONE", "TWO"))
    assert {name: found[name] for name in CLAIMS} == CLAIMS
    assert found["aud"] == "https://vault.corp"
    assert other["aud"] == ["a", "vault.corp"]
    assert found["jti"] != other["jti"]
    assert abs(found["iat"] - time.time()) < 60
    assert (found["exp"] - found["iat"], found["iat"] - found["nbf"]) == (seconds, 5)


def test_one_key_for_all_runs_that_only_the_user_reads(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "homeport"
    first = public_keys(folder)
    path = folder / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in folder.iterdir()] == [KEY_FILE]
    assert public_keys(folder) == first
    assert set(first["keys"][0]) == {"kty", "kid", "use", "alg", "n", "e"}
    path.unlink()
    assert public_keys(folder) != first


def test_a_key_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    public_keys(tmp_path)
    (tmp_path / KEY_FILE).rename(tmp_path / "elsewhere")
    (tmp_path / KEY_FILE).symlink_to("elsewhere")
    with pytest.raises(MissingError, match="cannot keep the key"):
        public_keys(tmp_path)


def test_a_token_of_the_users_needs_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    file = tmp_path / "token"
    file.write_text("abc.def.ghi\n")
    given = IdToken(audience="x", file=str(file))
    assert issue(tmp_path, plan(ONE=given)) == {"ONE": "abc.def.ghi"}
    with pytest.raises(ExecutorError, match=r"pip install 'homeport\[id-tokens\]'"):
        issue(tmp_path, plan(ONE=IdToken(audience="x")))
    file.write_text("\n")
    with pytest.raises(ExecutorError, match=r"the id_token ONE is to be in .*: it is empty"):
        issue(tmp_path, plan(ONE=given))


def test_our_mirror_takes_them_by_our_public_key(tmp_path: Path) -> None:
    from homeport.mirror.model.config import AuthConfig, IssuerConfig, MirrorConfig
    from homeport.mirror.model.endpoint import Base
    from homeport.mirror.model.exchange import Request
    from homeport.mirror.model.principal import Principal, Proof
    from homeport.mirror.policy.rules import make_policy

    issuer = IssuerConfig(
        issuer="https://gitlab.corp",
        audience="https://mirror.corp",
        jwks_url="https://keys.corp/jwks.json",
        bound_claims={"project_path": "team/*"},
    )
    auth = AuthConfig(issuers=(issuer,))
    policy = make_policy(MirrorConfig(listeners=(), data=str(tmp_path), auth=auth))

    async def fetch(url: str, ca: str | None) -> bytes:
        assert (url, ca) == ("https://keys.corp/jwks.json", None)
        return json.dumps(public_keys(tmp_path)).encode()

    def resolve(*_: object) -> Any:
        raise AssertionError("nothing is pulled")

    async def scenario() -> tuple[object, object]:
        authenticator = make_authenticator(
            auth,
            data=tmp_path,
            policy=lambda: policy,
            resolve=resolve,
            listeners=(),
            clock=time.time,
            fetch=fetch,
        )
        job = plan(GOOD=IdToken(audience="https://mirror.corp"), BAD=IdToken(audience="x"))
        tokens = issue(tmp_path, job)
        found = [
            await authenticator.authenticate(
                Request(
                    listener="main",
                    method="GET",
                    endpoint=Base(),
                    query={},
                    scopes=(),
                    headers={"Authorization": f"Bearer {tokens[name]}"},
                    address="10.0.0.1",
                    scheme="https",
                    host="mirror.corp",
                    started=0.0,
                )
            )
            for name in ("GOOD", "BAD")
        ]
        await authenticator.close()
        return found[0], found[1]

    good, bad = asyncio.run(scenario())
    assert isinstance(good, Principal)
    assert (good.name, good.proof) == ("team/app", Proof.GITLAB)
    assert not isinstance(bad, Principal)
