"""Files of the user's that hold what only a server would have: secrets and id_tokens."""

from collections.abc import Mapping
from pathlib import Path

from homeport.pipeline.execute.api import ExecutorError
from homeport.pipeline.model.plan import ScopedVariable, SecretFile

_LARGEST = 1024 * 1024


def read_secrets(secrets: Mapping[str, SecretFile]) -> tuple[ScopedVariable, ...]:
    """Masked variables with the secrets of a job. Raises `ExecutorError` for a file that is none.

    As a value, a secret has no line end at its end, which editors put there; a file is copied.
    """
    found = []
    for name, secret in secrets.items():
        text = read_given(secret.path, f"the secret {name}")
        value = text if secret.file else text.removesuffix("\n")
        found.append(ScopedVariable(key=name, value=value, raw=True, masked=True, file=secret.file))
    return tuple(found)


def read_given(path: str, what: str) -> str:
    """The text of a file; the words of an error do not quote it."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST + 1)
        text, wrong = content.decode(), ""
    except (OSError, UnicodeDecodeError) as error:
        text, wrong = "", getattr(error, "strerror", None) or "it is no text"
    if len(text) > _LARGEST:
        wrong = "it is larger than 1 MiB"
    elif not wrong and ("\0" in text or not text.strip()):
        wrong = "it is empty" if not text.strip() else "it is no text"
    if wrong:
        raise ExecutorError(f"{what} is to be in {path}: {wrong}")
    return text
