"""An OCI runtime that lets `--privileged` mean all that this machine has: runc refuses to give what
it lacks itself, as on machines that are containers."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

RESOURCE = 24
"""CAP_SYS_RESOURCE: the one that machines lack on which these tests were written."""


def lacks_a_capability() -> bool:
    """Whether runc could not run a privileged container here, for the one reason known to us."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if "CapBnd" in line
    )
    return not int(line.split()[1], 16) >> RESOURCE & 1


def flags(folder: Path) -> Sequence[str]:
    """What a dockerd is told; the program is written into `folder`."""
    if not lacks_a_capability():
        return ()
    program = folder / "runtime"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} "$@"\n')
    program.chmod(0o755)
    return (f"--add-runtime=lesser={program}", "--default-runtime=lesser")


def main(arguments: Sequence[str]) -> None:
    if "--bundle" in arguments and "create" in arguments:
        path = Path(arguments[arguments.index("--bundle") + 1], "config.json")
        config = json.loads(path.read_text())
        for names in config["process"].get("capabilities", {}).values():
            if "CAP_SYS_RESOURCE" in names:
                names.remove("CAP_SYS_RESOURCE")
        path.write_text(json.dumps(config))
    os.execvp("runc", ["runc", *arguments])  # noqa: S606 - the same program in its place


if __name__ == "__main__":
    main(sys.argv[1:])
