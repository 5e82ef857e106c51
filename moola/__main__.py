"""Run the command line: ``python -m moola --help``."""

import sys

from moola.cli import main

if __name__ == "__main__":
    sys.exit(main())
