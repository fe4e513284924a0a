"""`python -m examples.source_census`, which `scripts/run` calls."""

import sys

from examples.source_census.runner import main

sys.exit(main())
