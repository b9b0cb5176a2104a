"""Passwords that an LDAP directory knows. Blocking: every call belongs into a thread.

Search with the mirror's own account, then bind as the entry that was found: the directory itself
judges the password, and its hash is never read.
"""

import logging
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from homeport.errors import MissingError, Problem
from homeport.mirror.auth.identity import Identity, name_fault
from homeport.mirror.model.config import LdapConfig
from homeport.mirror.model.principal import Proof
from homeport.mirror.policy.networks import is_local

_LOG = logging.getLogger("homeport.mirror.auth")
_CONNECT_TIMEOUT = 4
_ANSWER_TIMEOUT = 6
_MAX_GROUPS = 500
_MAX_PASSWORD = 1024
_SPECIAL = frozenset("\\*()\0")


class DirectoryUnavailableError(Exception):
    """The directory does not answer as one; `str()` names host and kind of failure, no secrets."""


class Directory:
    def __init__(self, config: LdapConfig) -> None:
        """Raises MissingError where ldap3 is not installed."""
        self._config = config
        self._ldap = _library()
        self._host = urlsplit(config.url).netloc

    def login(self, user: str, password: str) -> Identity | None:
        """None for a user that the directory does not have, or a wrong password. Raises
        DirectoryUnavailableError."""
        # RFC 4513, 5.1.2: a bind without a password succeeds and proves nothing.
        if not password or len(password) > _MAX_PASSWORD or name_fault(user) is not None:
            return None
        return self._guarded(user, password)

    def look_up(self, user: str) -> Identity | None:
        """The same without a password: whether the user is still there, and in which groups."""
        return None if name_fault(user) is not None else self._guarded(user, None)

    def _guarded(self, user: str, password: str | None) -> Identity | None:
        from ldap3.core.exceptions import LDAPException

        try:
            with self._service() as service:
                return self._find(service, user, password)
        except DirectoryUnavailableError as error:
            _LOG.warning("%s", error)
            raise
        except (LDAPException, OSError) as error:
            # The library's words may repeat what was sent.
            _LOG.warning("the directory %s: %s", self._host, type(error).__name__)
            raise DirectoryUnavailableError(f"{self._host}: {type(error).__name__}") from None

    def _find(self, service: Any, user: str, password: str | None) -> Identity | None:
        config = self._config
        query = config.user_filter.replace("{username}", escape_filter(user))
        names = self._search(service, config.user_base, query, "1.1", limit=2)
        if len(names) != 1:
            if names:
                _LOG.warning("the directory has several entries for one name: nobody is meant")
            return None
        [(dn, _)] = names
        if password is not None and not self._binds(dn, password):
            return None
        groups: list[str] = []
        if config.group_base is not None:
            query = config.group_filter.replace("{dn}", escape_filter(dn))
            query = query.replace("{username}", escape_filter(user))
            found = self._search(service, config.group_base, query, "cn", limit=_MAX_GROUPS)
            groups = [str(values[0]) for _, values in found if values]
        return Identity(name=user, proof=Proof.LDAP, groups=tuple(dict.fromkeys(groups)))

    def _search(
        self, connection: Any, base: str, query: str, attribute: str, *, limit: int
    ) -> list[tuple[str, list[Any]]]:
        """DN and the attribute's values of each entry. More than `limit` are a failure: rules must
        not be judged by some of somebody's groups."""
        connection.search(
            base,
            query,
            search_scope=self._ldap.SUBTREE,
            attributes=[attribute],
            size_limit=limit,
            time_limit=_ANSWER_TIMEOUT,
        )
        code = connection.result["result"]
        if code == self._ldap.core.results.RESULT_NO_SUCH_OBJECT:
            return []
        if code != self._ldap.core.results.RESULT_SUCCESS:
            name = connection.result["description"]
            raise DirectoryUnavailableError(f"{self._host}: the search ended with {name}")
        return [
            (entry["dn"], entry["attributes"].get(attribute, []) if attribute != "1.1" else [])
            for entry in connection.response
            if entry.get("type") == "searchResEntry"
        ]

    def _binds(self, dn: str, password: str) -> bool:
        with self._opened(dn, password) as connection:
            return bool(connection.bind())

    @contextmanager
    def _service(self) -> Iterator[Any]:
        """The mirror's own connection, bound."""
        config = self._config
        password = None
        if config.bind_dn is not None and config.bind_password_file is not None:
            password = Path(config.bind_password_file).read_text().rstrip("\r\n")
        with self._opened(config.bind_dn, password) as connection:
            if not connection.bind():
                name = connection.result["description"]
                raise DirectoryUnavailableError(f"{self._host}: the mirror's own bind: {name}")
            yield connection

    @contextmanager
    def _opened(self, dn: str | None, password: str | None) -> Iterator[Any]:
        """A connection, TLS and all, closed afterwards: the library leaves sockets open where
        opening failed, or where the connection was bound before."""
        connection = self._connection(dn, password)
        try:
            self._start(connection)
            yield connection
        finally:
            used = connection.socket
            with suppress(Exception):
                connection.unbind()
            if used is not None:
                used.close()

    def _start(self, connection: Any) -> None:
        connection.open()
        if self._config.start_tls and not connection.start_tls():
            raise DirectoryUnavailableError(f"{self._host}: it refuses StartTLS")

    def _wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """In place of the library's own, which compares host names by a function that newer Pythons
        no longer have."""
        context = ssl.create_default_context(cafile=self._config.ca)
        connection.socket = context.wrap_socket(
            connection.socket,
            server_hostname=connection.server.host,
            do_handshake_on_connect=do_handshake,
        )

    def _connection(self, dn: str | None, password: str | None) -> Any:
        config = self._config
        tls = self._ldap.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=config.ca)
        tls.wrap_socket = self._wrap_socket
        server = self._ldap.Server(
            config.url,
            tls=tls,
            connect_timeout=_CONNECT_TIMEOUT,
            get_info=self._ldap.NONE,
            allowed_referral_hosts=[],
        )
        return self._ldap.Connection(
            server,
            user=dn,
            password=password,
            authentication=self._ldap.ANONYMOUS if dn is None else self._ldap.SIMPLE,
            auto_referrals=False,
            check_names=False,
            read_only=True,
            receive_timeout=_ANSWER_TIMEOUT,
        )


def escape_filter(text: str) -> str:
    """A value inside a search filter (RFC 4515, 3)."""
    return "".join(f"\\{ord(char):02x}" if char in _SPECIAL else char for char in text)


def ldap_problems(config: LdapConfig) -> tuple[Problem, ...]:
    """What is wrong with the settings of the directory."""
    faults: list[str] = []
    parts = urlsplit(config.url)
    if parts.scheme not in ("ldap", "ldaps", "ldapi") or parts.username is not None:
        faults.append("url is ldaps://HOST, ldap://HOST or ldapi://PATH, without credentials")
    elif parts.scheme == "ldap" and not config.start_tls:
        host = parts.hostname or ""
        if host != "localhost" and not is_local(host):
            faults.append("ldap:// without start_tls would send passwords in the clear")
    if "{username}" not in config.user_filter:
        faults.append("user_filter holds {username}")
    if config.group_base is not None and not (
        "{dn}" in config.group_filter or "{username}" in config.group_filter
    ):
        faults.append("group_filter holds {dn} or {username}")
    if (config.bind_dn is None) != (config.bind_password_file is None):
        faults.append("bind_dn and bind_password_file go together")
    return tuple(Problem(message=f"ldap: {text}", code="ldap") for text in faults)


def _library() -> Any:
    try:
        with warnings.catch_warnings():
            # It reads two names that pyasn1 has renamed.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            import ldap3
            import ldap3.core.results
    except ImportError:
        raise MissingError.of(
            "LDAP needs the library ldap3",
            code="no-ldap3",
            hint="pip install 'homeport[ldap]'",
        ) from None
    return ldap3
