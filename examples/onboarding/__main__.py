"""`python -m examples.onboarding` plays the example through."""

import sys

from examples.onboarding.play import main

sys.exit(main())
