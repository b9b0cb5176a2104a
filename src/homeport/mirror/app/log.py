"""The server's own log on stderr: words on a terminal, else one JSON object a line."""

import json
import logging
import sys
import time
from typing import IO


class JsonLines(logging.Formatter):
    """`time` is RFC 3339 in UTC; a traceback is one text."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(stream: IO[str] | None = None) -> None:
    """Send everything of `homeport` at INFO and all else at WARNING to stderr."""
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    if target.isatty():
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    else:
        handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("homeport").setLevel(logging.INFO)
