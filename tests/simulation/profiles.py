"""What chance has to choose from in a simulated run.

The usual profile has a little of everything. The others have few kinds of things, each often: what
takes several of them together is seen sooner, or at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from rhythm.worker.activations import COLD, HOT, USUAL, Keeping
from tests.simulation.network import FAULTS


class Profile(msgspec.Struct, frozen=True):
    """Of each, a run has one or some.

    Attributes:
        takes_all: whether a run has all kinds of wishes, keepings, faults and upheavals that are
            listed, instead of a few.
        partitions: how many. They take a timekeeper each, and so time: most runs have one.
        wishes: what clients may want, see scenario.py; empty for anything.
        workers: how many there are at first.
        concurrency: of a worker, at least and at most.
        keepings: how workers keep their machines, some of these.
        faults: how likely one is on a round trip. Some runs are calm, so that what goes wrong
            without faults is seen as that.
        fault_kinds: some of these.
        upheavals: how many.
        upheaval_kinds: some of these, see the methods of the world.
        losses: how many writes a failover may lose.
        spares_snapshots: whether those stay in a failover as they are.
        typists: how likely each of two is who asks for the same again and again.
        interventions: how likely each kind is that somebody forks, migrates, retries all that
            failed, or ends and deletes many at once.
        limits: how likely tasks are limited.
        is_for_any: whether seeds choose it; else it is for who asks for it.
    """

    takes_all: bool = False
    partitions: tuple[int, ...] = (1, 1, 1, 2)
    wishes: tuple[str, ...] = ()
    workers: tuple[int, ...] = (1, 2, 3)
    concurrency: tuple[int, int] = (1, 8)
    keepings: tuple[Keeping, ...] = (USUAL, COLD, HOT)
    faults: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1)
    fault_kinds: tuple[str, ...] = FAULTS
    upheavals: tuple[int, ...] = (0, 3, 8)
    upheaval_kinds: tuple[str, ...] = ("kill", "pause", "clock", "another", "drain", "failover")
    losses: tuple[tuple[int, ...], ...] = ((0, 1, 2, 3), (5, 10, 20), (50, 100))
    spares_snapshots: tuple[bool, ...] = (False, True)
    typists: float = 0.1
    interventions: float = 0.04
    limits: float = 0.25
    is_for_any: bool = True


PROFILES: Final[Mapping[str, Profile]] = {
    "usual": Profile(),
    # What is asked for and answered gets lost.
    "bad network": Profile(faults=(0.1,), upheavals=(0, 3)),
    # Another history grows where one was lost, on the same ids, with the lost one's snapshots.
    "other histories": Profile(
        takes_all=True,
        partitions=(1,),
        wishes=("long diary", "steps"),
        workers=(3,),
        concurrency=(1, 1),
        keepings=(COLD, HOT),
        faults=(0.0,),
        upheavals=(20,),
        upheaval_kinds=("kill", "failover"),
        losses=((10, 20, 40),),
        spares_snapshots=(True,),
    ),
    # Messages from tree to tree, of which calls and answers are lost.
    "between trees": Profile(
        partitions=(1, 2),
        wishes=("peers",),
        faults=(0.03, 0.1),
        upheavals=(3, 8),
        upheaval_kinds=("kill", "failover", "pause"),
    ),
    # Runs that follow each other, told things and asked to end in between.
    "restarts": Profile(
        wishes=(
            "endless",
            "rounds",
            "rounds to end",
            "parent of rounds",
            "parent of rounds to end",
        ),
        faults=(0.03, 0.1),
        upheavals=(3, 8),
        upheaval_kinds=("kill", "pause", "drain"),
    ),
    # Asked to end, by clients, parents and time, while workers come and go.
    "endings": Profile(
        wishes=("careful", "stubborn", "parent to end", "beating"),
        keepings=(USUAL, HOT),
        upheavals=(3, 8),
        upheaval_kinds=("kill", "drain", "pause"),
    ),
    # Forked, migrated, retried and deleted, whatever is lost.
    "interventions": Profile(
        wishes=("falters", "steps", "signals", "diary", "timers", "parent", "careful"),
        faults=(0.0, 0.03, 0.1),
        upheavals=(0, 3),
        upheaval_kinds=("kill", "failover", "pause"),
        interventions=0.6,
    ),
    # Tasks that wait for permits of other partitions.
    "limits": Profile(
        partitions=(2, 3),
        wishes=("fan", "square", "steps", "race", "parent"),
        upheavals=(0, 3, 8),
        limits=1.0,
        is_for_any=False,
    ),
}
