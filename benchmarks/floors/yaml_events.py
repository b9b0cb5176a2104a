import sys

from yaml._yaml import CParser

with open(sys.argv[1], "rb") as file:  # noqa: PTH123 - minimal
    parser = CParser(file)
    while parser.check_event():
        parser.get_event()
