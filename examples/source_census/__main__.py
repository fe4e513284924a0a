"""`python -m examples.source_census`, which `scripts/run` calls."""

import sys

from examples.source_census.runner import main

if __name__ == "__main__":  # processes that tasks start import this module too
    sys.exit(main())
