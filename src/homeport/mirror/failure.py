"""The one boundary that turns a request's failure into an answer (distribution-spec, Errors)."""

import msgspec

from homeport.mirror.errors import RegistryError
from homeport.mirror.model.exchange import Reply
from homeport.oci.error_code import ErrorCode
from homeport.oci.media_type import JSON

_ENCODER = msgspec.json.Encoder()


def failure(error: RegistryError, *, challenges: bool) -> Reply:
    """`challenges` False (where dockerd may ask): a 401 becomes a 403, because dockerd would
    answer a challenge with the user's Docker Hub credentials."""
    status, code, headers = error.status, error.code, error.headers
    if status == 401 and not challenges:
        status, code = 403, ErrorCode.DENIED
        headers = {name: text for name, text in headers.items() if name != "WWW-Authenticate"}
    body: dict[str, object] = {"code": code, "message": error.message}
    if error.detail is not None:
        body["detail"] = error.detail
    return Reply(
        status=status,
        headers={"Content-Type": JSON, **headers},
        body=_ENCODER.encode({"errors": [body]}),
        outcome=error.outcome,
    )
