"""Files that a container has before it starts, beside those of its image."""

import io
import tarfile
from collections.abc import Mapping

from homeport.engine.api import Engine


def place(engine: Engine, container: str, files: Mapping[str, str]) -> None:
    """Write each text to its absolute path in a container that does not run yet, readable by all.

    The archive has no entries of folders: those that are there keep their mode and owner, and the
    engine makes the others. Raises EngineError.
    """
    if not files:
        return
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    engine.put_archive(container, "/", (out.getvalue(),))
