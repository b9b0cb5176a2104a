"""Make the one file that enrolls another machine: this package alone, always the same bytes."""

import io
import zipfile
from pathlib import Path

import homeport.enroll

SHEBANG = b"#!/usr/bin/env python3\n"
TIME = (1980, 1, 1, 0, 0, 0)
_MAIN = (
    "import sys\n"
    "if sys.version_info < (3, 9):\n"
    "    sys.exit('homeport-enroll: Python 3.9 or newer is needed, this is ' + sys.version)\n"
    "from homeport.enroll.__main__ import main\n"
    "sys.exit(main())\n"
)
_PACKAGE = b'"""The part of homeport that enrolls machines."""\n'


def build_zipapp() -> bytes:
    """A program for `python3 FILE COMMAND`; stored in the order of names, with fixed times."""
    root = Path(homeport.enroll.__path__[0])
    files = {"__main__.py": _MAIN.encode(), "homeport/__init__.py": _PACKAGE}
    for place in root.rglob("*.py"):
        name = place.relative_to(root).as_posix()
        if not name.startswith("fleet/"):  # that stays with whoever sends this out
            files[f"homeport/enroll/{name}"] = place.read_bytes()
    made = io.BytesIO()
    made.write(SHEBANG)
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, files[name])
    return made.getvalue()
