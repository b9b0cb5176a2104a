"""What the user says about one server."""

from msgspec import Struct


class Host(Struct, frozen=True, kw_only=True):
    """`[hosts."NAME"]` of the user's own settings; NAME is `host` or `host:port`, in lower case.

    `token_env` names the environment variable that holds this server's access token (of any kind:
    personal, project, group, OAuth). `ca` is the path of a PEM file with certificates to trust for
    this server, beside those of the system. `api_url` is the whole address of the API where it is
    not `https://NAME/api/v4`; the token goes to that address, too.
    """

    token_env: str | None = None
    ca: str | None = None
    api_url: str | None = None
