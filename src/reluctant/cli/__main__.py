"""`python -m reluctant.cli` is the command `reluctant`."""

import sys

from reluctant.cli import main

sys.exit(main())
