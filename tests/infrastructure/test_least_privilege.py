"""The page's users can do on a Cluster what they can on one server, with what it adds to them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from rhythm import InitBuilder, Worker
from rhythm.services.workflows import WorkflowFile
from rhythm.tasks import TaskDefinition, TaskRegistry
from tests.infrastructure.servers import Cluster
from tests.rhythm.test_least_privilege import (
    CLIENT,
    FLOWS,
    PAGE,
    READER,
    RULES,
    WORKER,
    Run,
    ask_all,
    read_all,
    work,
)

_ADDED = re.search(r"needs `([^`]+)`; for `replicas`, clients need `([^`]+)`", PAGE)
assert _ADDED, "the page says no more what a Cluster needs"
FOR_ALL, FOR_CLIENTS = _ADDED[1].split(), _ADDED[2].split()


@pytest.fixture
def guarded(cluster: Cluster) -> Iterator[Cluster]:
    """The Cluster with the page's users beside the one without a password."""
    for node in cluster.nodes:
        for role, words in RULES.items():
            given = [f">{role}" if word == ">CHANGE-ME" else word for word in words]
            node.ask(*given, *FOR_ALL, *(FOR_CLIENTS if role == CLIENT else ()))
        node.ask("ACL", "LOG", "RESET")
    yield cluster
    for node in cluster.nodes:
        node.ask("ACL", "DELUSER", *RULES)


def denied(cluster: Cluster) -> list[str]:
    """What was refused for want of rights, on any node."""
    return [
        f"{entry['username']}: {entry['object']}"
        for node in cluster.nodes
        for entry in node.client.acl_log()
    ]


def app_of(role: str, cluster: Cluster) -> InitBuilder:
    hosts = cluster.url.partition("://")[2]
    return (
        InitBuilder()
        .database_url(f"redis+cluster://{role}:{role}@{hosts}")
        .auto_migrate(role == WORKER)
        .durability(replicas=int(role == CLIENT))
    )


def test_everything_runs_under_the_users_of_the_page(guarded: Cluster, run: Run) -> None:
    registry = TaskRegistry()
    registry.add(TaskDefinition("acl.work", None, work))
    flows = [WorkflowFile(name, source, f"{name}.flow") for name, source in FLOWS.items()]

    async def story() -> None:
        async with (
            app_of(WORKER, guarded).workflows(flows) as worker_app,
            app_of(CLIENT, guarded) as client,
            app_of(READER, guarded) as reader,
            Worker(worker_app, registry=registry),
        ):
            await ask_all(client, reader)
            assert denied(guarded) == []
            await read_all(reader)
        assert all(entry.startswith(READER) for entry in denied(guarded))

    run(story())
