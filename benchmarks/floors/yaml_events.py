import sys

from yaml import CParser  # type: ignore[attr-defined]

with open(sys.argv[1], "rb") as file:  # noqa: PTH123 - minimal
    parser = CParser(file)
    while parser.check_event():
        parser.get_event()
