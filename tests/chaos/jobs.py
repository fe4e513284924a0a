"""The tasks of the simulation's scenario, for worker processes."""

from __future__ import annotations

from rhythm import tasks
from tests.simulation.scenario import Ledger, registry

# What runs where is for the simulation to count; here histories tell it.
for _definition in registry(Ledger()):
    tasks.registry.add(_definition)
