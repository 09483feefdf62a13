"""`python -m sagesmith` is `sagesmith`."""

import sys

from sagesmith.cli import main

sys.exit(main())
