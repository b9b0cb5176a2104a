"""`homeport` and `python -m homeport`."""

import sys

from homeport.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
