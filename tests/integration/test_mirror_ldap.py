"""Logins against a real directory: OpenLDAP's slapd on loopback, with and without TLS."""

import asyncio
import datetime
import ipaddress
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from homeport.errors import UsageError
from homeport.mirror.auth.api import Rejected
from homeport.mirror.auth.authenticator import make_authenticator
from homeport.mirror.auth.identity import Identity
from homeport.mirror.auth.ldap import Directory, DirectoryUnavailableError, escape_filter
from homeport.mirror.model.config import AuthConfig, LdapConfig, MirrorConfig
from homeport.mirror.model.endpoint import Base, Service
from homeport.mirror.model.exchange import Request
from homeport.mirror.model.names import Refusal
from homeport.mirror.model.principal import Principal, Proof
from homeport.mirror.policy.rules import make_policy

SCHEMAS = Path("/etc/ldap/schema")
ENTRIES = """\
dn: dc=corp
objectClass: dcObject
objectClass: organization
o: Corp
dc: corp

dn: ou=people,dc=corp
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=corp
objectClass: organizationalUnit
ou: groups

dn: cn=mirror,dc=corp
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: mirror
userPassword: mirrorsecret

dn: uid=alice,ou=people,dc=corp
objectClass: inetOrgPerson
uid: alice
cn: Alice
sn: A
userPassword: wonderland

dn: uid=b\\2Cob(x)*,ou=people,dc=corp
objectClass: inetOrgPerson
uid: b,ob(x)*
cn: Bob
sn: B
userPassword: builder

dn: uid=twin,ou=people,dc=corp
objectClass: inetOrgPerson
uid: twin
cn: One
sn: T
userPassword: same

dn: uid=twin,ou=groups,dc=corp
objectClass: inetOrgPerson
uid: twin
cn: Two
sn: T
userPassword: same

dn: cn=dev,ou=groups,dc=corp
objectClass: groupOfNames
cn: dev
member: uid=alice,ou=people,dc=corp
member: uid=b\\2Cob(x)*,ou=people,dc=corp

dn: cn=ops,ou=groups,dc=corp
objectClass: groupOfNames
cn: ops
member: uid=alice,ou=people,dc=corp
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def certificate(folder: Path) -> None:
    """A key and a certificate for 127.0.0.1 that is its own authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )


class Slapd:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        certificate(folder)
        (folder / "db").mkdir()
        (folder / "slapd.conf").write_text(
            "".join(
                f"include {SCHEMAS / name}.schema\n" for name in ("core", "cosine", "inetorgperson")
            )
            + f"modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {folder}/pid\n"
            f"TLSCertificateFile {folder}/cert.pem\nTLSCertificateKeyFile {folder}/key.pem\n"
            f"database mdb\nsuffix dc=corp\ndirectory {folder}/db\n"
            # Only the mirror's account may search; nobody reads a password.
            "access to attrs=userPassword by anonymous auth by * none\n"
            "access to * by dn.exact=cn=mirror,dc=corp read by * none\n"
        )
        (folder / "entries.ldif").write_text(ENTRIES)
        (folder / "password").write_text("mirrorsecret\n")
        add = [_slapd(), "-T", "add", "-f", str(folder / "slapd.conf")]
        subprocess.run([*add, "-l", str(folder / "entries.ldif")], check=True, capture_output=True)

    def start(self) -> None:
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        command = [_slapd(), "-d", "0", "-h", urls, "-f", str(self.folder / "slapd.conf")]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        for port in (self.port, self.tls_port):
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert self.process.poll() is None, "slapd ended"
                    assert time.monotonic() < deadline, "slapd does not answer"
                    time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def config(self, **changes: object) -> LdapConfig:
        usual = LdapConfig(
            url=f"ldaps://127.0.0.1:{self.tls_port}",
            ca=str(self.folder / "cert.pem"),
            bind_dn="cn=mirror,dc=corp",
            bind_password_file=str(self.folder / "password"),
            user_base="ou=people,dc=corp",
            group_base="ou=groups,dc=corp",
        )
        return replace(usual, **changes)


def _slapd() -> str:
    found = shutil.which("slapd", path="/usr/sbin:/usr/libexec:/usr/bin")
    if found is None:
        pytest.skip("slapd is not installed (tests/setup/install.sh)")
    return found


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    server = Slapd(tmp_path_factory.mktemp("slapd"))
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("way", ["ldaps", "starttls", "loopback"])
def test_a_person_is_found_and_judged_by_the_directory(slapd: Slapd, way: str) -> None:
    plain = f"ldap://127.0.0.1:{slapd.port}"
    config = {
        "ldaps": slapd.config(),
        "starttls": slapd.config(url=plain, start_tls=True),
        "loopback": slapd.config(url=plain),
    }[way]
    directory = Directory(config)
    assert directory.login("alice", "wonderland") == Identity(
        name="alice", proof=Proof.LDAP, groups=("dev", "ops")
    )
    assert directory.login("alice", "wonderlan") is None
    assert directory.login("nobody", "wonderland") is None
    assert directory.look_up("alice") == Identity(
        name="alice", proof=Proof.LDAP, groups=("dev", "ops")
    )


@pytest.mark.parametrize(
    "user",
    ["*", "a*", "alice)(uid=*", "alice)(|(uid=*", "\\2a", "alice\0", "", "(alice)", "a" * 300],
)
def test_a_name_cannot_change_the_search(slapd: Slapd, user: str) -> None:
    directory = Directory(slapd.config())
    assert directory.login(user, "wonderland") is None
    assert directory.look_up(user) is None


def test_a_name_of_special_characters_is_found_with_its_groups(slapd: Slapd) -> None:
    found = Directory(slapd.config()).login("b,ob(x)*", "builder")
    assert found == Identity(name="b,ob(x)*", proof=Proof.LDAP, groups=("dev",))


def test_an_empty_password_proves_nothing(slapd: Slapd) -> None:
    # OpenLDAP would take the bind for an anonymous one and say yes.
    assert Directory(slapd.config()).login("alice", "") is None


def test_a_name_that_two_entries_have_is_nobodys(slapd: Slapd) -> None:
    directory = Directory(slapd.config(user_base="dc=corp"))
    assert directory.login("twin", "same") is None
    assert directory.login("alice", "wonderland") is not None


@pytest.mark.parametrize(
    "change",
    [
        {"ca": None},
        {"bind_dn": "cn=mirror,dc=other"},
        {"url": "ldap://127.0.0.1:1"},
        {"bind_password_file": "/nowhere"},
        {"user_filter": "(uid={username}"},
    ],
)
def test_what_keeps_the_mirror_from_asking_is_an_outage(
    slapd: Slapd, change: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """An unknown authority, a wrong account, no server, no secret, a broken filter."""
    with pytest.raises(DirectoryUnavailableError) as caught:
        Directory(slapd.config(**change)).login("alice", "wonderland")
    plain = {"url": f"ldap://127.0.0.1:{slapd.port}", "start_tls": True}
    with pytest.raises(DirectoryUnavailableError):
        Directory(slapd.config(**{**plain, **change})).login("alice", "wonderland")
    said = f"{caught.value} {caplog.text}"
    assert "wonderland" not in said
    assert "mirrorsecret" not in said


def test_a_directory_that_says_nothing_is_not_waited_for_long(
    slapd: Slapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeport.mirror.auth.ldap._ANSWER_TIMEOUT", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"ldap://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(DirectoryUnavailableError):
            Directory(slapd.config(url=url)).login("alice", "wonderland")
        assert time.monotonic() - start < 5


def test_settings_that_would_send_passwords_in_the_clear_are_refused(tmp_path: Path) -> None:
    for ldap in (
        LdapConfig(url="ldap://directory.corp"),
        LdapConfig(url="http://directory.corp"),
        LdapConfig(url="ldaps://x", user_filter="(uid=alice)"),
        LdapConfig(url="ldaps://x", bind_dn="cn=x"),
    ):
        with pytest.raises(UsageError):
            authenticator(AuthConfig(ldap=ldap), tmp_path)


def authenticator(config: AuthConfig, data: Path, clock: object = time.time):  # type: ignore[no-untyped-def]
    policy = make_policy(MirrorConfig(listeners=(), data=str(data), auth=config))
    return make_authenticator(
        config,
        data=data,
        policy=lambda: policy,
        resolve=lambda *_: Refusal(message="none"),
        clock=clock,  # type: ignore[arg-type]
    )


def request(user: str, password: str, **more: object) -> Request:
    import base64

    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    usual: dict[str, object] = {
        "listener": "main",
        "method": "GET",
        "endpoint": Base(),
        "query": {},
        "headers": {"Authorization": f"Basic {text}"},
        "address": "10.0.0.1",
        "scheme": "https",
        "host": "mirror",
        "started": 0.0,
    }
    return Request(**{**usual, **more})  # type: ignore[arg-type]


def test_the_mirror_outlives_its_directory(slapd: Slapd, tmp_path: Path) -> None:
    """Who was proven lately goes on; who was not hears of an outage; a refresh token is looked up
    again when the directory is back."""
    import json
    from urllib.parse import urlencode

    now = [1_800_000_000.0]

    async def scenario() -> None:
        config = AuthConfig(ldap=slapd.config(), groups={"extra": ("alice",)})
        auth = authenticator(config, tmp_path, lambda: now[0])
        alice = request("alice", "wonderland")
        found = await auth.authenticate(alice)
        assert found == Principal(name="alice", groups=("dev", "ops", "extra"), proof=Proof.LDAP)
        offline = request(
            "alice", "wonderland", endpoint=Service.TOKEN, query={"offline_token": "true"}
        )
        refresh = json.loads((await auth.token(offline)).body)["refresh_token"]
        slapd.stop()
        assert isinstance(await auth.authenticate(alice), Principal)
        away = await auth.authenticate(request("b,ob(x)*", "builder"))
        assert isinstance(away, Rejected)
        assert away.unavailable
        assert away.reason == "the user directory does not answer; try again later"
        slapd.start()
        now[0] += 10
        assert isinstance(await auth.authenticate(request("b,ob(x)*", "builder")), Principal)
        form = urlencode({"grant_type": "refresh_token", "refresh_token": refresh}).encode()

        async def body():  # type: ignore[no-untyped-def]
            yield form

        renewed = request(
            "",
            "",
            endpoint=Service.TOKEN,
            method="POST",
            body=body(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert (await auth.token(renewed)).status == 200
        assert renewed.principal.groups == ("dev", "ops", "extra")
        await auth.close()

    asyncio.run(scenario())


def test_filters_are_escaped_as_the_rfc_says() -> None:
    assert escape_filter("a*b(c)d\\e\0f") == "a\\2ab\\28c\\29d\\5ce\\00f"
    assert escape_filter("Lučić") == "Lučić"
