"""The engine keeps its promises under simulated faults; the simulation sees when it does not."""

from __future__ import annotations

import functools
import os
from concurrent.futures import ProcessPoolExecutor

import pytest
import redis

from tests.conftest import RedisServer
from tests.simulation.mutants import MUTANTS, Mutant, planted
from tests.simulation.servers import embedded_server
from tests.simulation.world import Report, simulate

# Thousands are run by scripts/simulate. A real server takes half the time for one.
SEEDS = range(10_000, 10_040)
ON_REDIS = range(20_000, 20_060)
OF_LIMITS = range(30_000, 30_004)

# Whoever plants a bug of which less than a tenth of the runs tells, is told so by scripts/simulate.
HUNTED = range(80)


@functools.cache
def client() -> redis.Redis:
    return embedded_server()


def one(seed: int) -> Report:
    return simulate(seed, client())


def test_nothing_is_violated_whatever_befalls_workers_and_network() -> None:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        reports = list(pool.map(one, SEEDS, chunksize=5))

    assert [(r.seed, violation) for r in reports for violation in r.violations] == []
    kinds = {kind for report in reports for kind in report.faults}
    assert kinds >= {"request lost", "request late", "reply lost", "reply never comes"}
    assert kinds >= {"kill", "pause", "clock", "drain", "failover"}


def test_nothing_is_violated_on_a_real_server(own_redis_server: RedisServer) -> None:
    with redis.Redis(port=own_redis_server.port) as client:
        for seed in ON_REDIS:
            assert simulate(seed, client).violations == ()


def test_limits_of_several_partitions_are_kept_to(own_redis_server: RedisServer) -> None:
    with redis.Redis(port=own_redis_server.port) as client:
        for seed in OF_LIMITS:
            assert simulate(seed, client, profile="limits").violations == ()


def test_a_seed_tells_the_same_story_every_time() -> None:
    first = [one(seed) for seed in range(2)]

    with ProcessPoolExecutor(1) as pool:
        assert list(pool.map(one, range(2))) == first


@pytest.mark.parametrize(
    "mutant",
    [mutant for mutant in MUTANTS if not mutant.is_rare],
    ids=lambda mutant: mutant.rule.replace(" ", "-"),
)
def test_a_planted_bug_is_seen(mutant: Mutant) -> None:
    """By the first run, as long as its seed is fresh, else by one of some more."""
    with planted(mutant):
        for seed in (mutant.seed, *HUNTED):
            if simulate(seed, client(), profile=mutant.profile, is_strict=True).violations:
                return
    pytest.fail(f"none of {len(HUNTED)} runs sees it; hunt it by scripts/simulate --mutants")
