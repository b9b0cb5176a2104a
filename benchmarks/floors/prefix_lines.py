"""The least that shows a job's output: each line with the job's name, and the same to a log file.

usage: prefix_lines.py LOG COMMAND
"""

import subprocess
import sys

with (
    open(sys.argv[1], "wb") as log,  # noqa: PTH123 - minimal
    subprocess.Popen(["bash", "-c", sys.argv[2]], stdout=subprocess.PIPE) as process,
):
    assert process.stdout is not None
    for line in process.stdout:
        log.write(line)
        sys.stdout.buffer.write(b"talk > " + line)
