"""`python -m reluctant`, where the command itself is not on the path."""

import sys

from reluctant.cli import main

if __name__ == "__main__":
    sys.exit(main())
