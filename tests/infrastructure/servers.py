"""Real Redis servers in numbers: a Cluster with replicas, and a master with its replicas that
Sentinels look after. All on this machine, on free ports, ended by whoever started them.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any

import redis

from streams.keys import SLOTS, slot_of

# A node that says nothing for so long is taken for dead. Short, since tests wait for it.
NODE_TIMEOUT_MS = 1_000
# By when everything that is waited for must have come; this machine may be very busy.
PATIENCE_S = 60.0

SERVICE = "orders"

# A Cluster's nodes talk on their port and 10,000.
_HIGHEST_PORT = 55_000


class Node:
    """A server process. Killed, it can be started again with what it had stored."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir()
        self.folder, self.port = folder, free_port()
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None
        self.client = redis.Redis(port=self.port, decode_responses=True, protocol=2)

    def start(self, *arguments: str) -> None:
        binary = shutil.which("redis-server")
        assert binary, "redis-server is missing: scripts/test installs it"
        self.process = subprocess.Popen(
            [
                *(binary, *arguments, "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--dir", str(self.folder), "--logfile", str(self.folder / "redis.log")),
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
        )

    def ask(self, *words: Any) -> Any:
        client: Any = self.client  # this method of it has no types
        return client.execute_command(*words)

    def is_up(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.log()
        return bool(_quiet(lambda node: node.client.ping(), self))

    def is_master(self) -> bool:
        return bool(_quiet(lambda node: node.client.role()[0] in ("master", b"master"), self))

    def known(self) -> list[str]:
        """The lines about all nodes of a Cluster that this one knows."""
        return list(self.ask("CLUSTER", "NODES").splitlines())

    def master_as_known(self) -> dict[str, Any]:
        """What a Sentinel knows of the master that it looks after."""
        state = self.client.sentinel_master(SERVICE)
        assert isinstance(state, dict)
        return state

    def log(self) -> str:
        path = self.folder / "redis.log"
        return path.read_text() if path.exists() else "no log"

    def kill(self) -> None:
        """As a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None

    def fall_silent(self) -> None:
        """Say nothing more, and keep all connections."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Go on where it fell silent."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        self.client.close()


class Cluster:
    """Three masters, each with a replica."""

    replicas_left = 0
    """How many a new master has whose old one is lost."""

    def __init__(self, folder: Path) -> None:
        options = (
            *("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
            *("--cluster-require-full-coverage", "no", "--appendonly", "yes", "--save", ""),
            *("--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0"),
        )
        self.nodes = [Node(folder / f"node{number}", *options) for number in range(6)]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis+cluster://{hosts}"

    def start(self) -> None:
        """Start all nodes, give out the slots, wait until every node knows of all."""
        for node in self.nodes:
            node.start()
        until("all nodes answer", lambda: all(node.is_up() for node in self.nodes))
        first, *others = self.nodes
        for number, node in enumerate(self.nodes[:3]):
            begin, end = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.ask("CLUSTER", "ADDSLOTSRANGE", begin, end)
        for node in others:
            node.ask("CLUSTER", "MEET", "127.0.0.1", first.port)
        until("all nodes have met", lambda: all(len(node.known()) == 6 for node in self.nodes))
        for master, replica in zip(self.nodes[:3], self.nodes[3:], strict=True):
            name = master.ask("CLUSTER", "MYID")
            until(
                "a replica knows its master",
                partial(_quiet, methodcaller("ask", "CLUSTER", "REPLICATE", name), replica),
            )
        self.until_whole()

    def until_whole(self) -> None:
        """Wait until all slots are served, and every master has a replica that is up to date."""

        def is_whole() -> bool:
            up = [node for node in self.nodes if node.process is not None]
            return all(
                _quiet(lambda node: "cluster_state:ok" in node.ask("CLUSTER", "INFO"), node)
                for node in up
            ) and all(
                _quiet(lambda node: node.client.info("replication")["connected_slaves"] >= 1, node)
                for node in self.masters()
            )

        until("the Cluster is whole", is_whole)

    def masters(self) -> list[Node]:
        """Those that serve slots now."""
        return [node for node in self.nodes if node.process and node.is_master()]

    def owner(self, key: str) -> Node:
        """The master that serves a key's slot."""
        return self._as_known_to(next(node for node in self.nodes if node.process), slot_of(key))

    def _as_known_to(self, asked: Node, slot: int) -> Node:
        for begin, end, (_, port, *_), *_ in asked.ask("CLUSTER", "SLOTS"):
            if begin <= slot <= end:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError(f"nobody serves slot {slot}")

    @contextmanager
    def moving(self, key: str, to: Node) -> Iterator[Callable[[], None]]:
        """A key's slot on its way to another master: some of its keys here, some there.

        Gives what moves half of the keys that are left; at the end all are moved and `to` owns it.
        """
        source, slot = self.owner(key), slot_of(key)
        source_id, to_id = source.ask("CLUSTER", "MYID"), to.ask("CLUSTER", "MYID")
        to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", to_id)

        def move(count: int) -> None:
            keys = source.ask("CLUSTER", "GETKEYSINSLOT", slot, count)
            if keys:
                source.ask("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", *keys)

        def move_half() -> None:
            move((source.ask("CLUSTER", "COUNTKEYSINSLOT", slot) + 1) // 2)

        yield move_half
        while source.ask("CLUSTER", "COUNTKEYSINSLOT", slot):
            move(100)
        for node in (to, source, *self.masters()):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", to_id)
        # Replicas can't be told: they hear of it from their masters.
        until(
            "all nodes know who serves the slot",
            lambda: all(self._as_known_to(node, slot) is to for node in self.nodes if node.process),
        )

    def bring_back(self, victim: Node) -> None:
        """Let a killed or silent node take part again, and wait until it does."""
        if victim.process is None:
            victim.start()
        else:
            victim.go_on()
        self.until_whole()

    def close(self) -> None:
        for node in self.nodes:
            node.close()


class SentinelTrio:
    """A master with two replicas, and three Sentinels that agree on who is master."""

    replicas_left = 1
    """How many a new master has whose old one is lost."""

    def __init__(self, folder: Path) -> None:
        options = (
            *("--appendonly", "yes", "--save", "", "--repl-diskless-sync-delay", "0"),
            *("--repl-ping-replica-period", "1"),
        )
        self.servers = [Node(folder / f"server{number}", *options) for number in range(3)]
        self.sentinels = [Node(folder / f"sentinel{number}") for number in range(3)]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    def start(self) -> None:
        """Start all, wait until replicas and Sentinels know of each other."""
        master, *replicas = self.servers
        master.start()
        for replica in replicas:
            replica.start("--replicaof", f"127.0.0.1 {master.port}")
        until("all servers answer", lambda: all(node.is_up() for node in self.servers))
        for sentinel in self.sentinels:
            path = sentinel.folder / "sentinel.conf"
            path.write_text(
                f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} {NODE_TIMEOUT_MS}\n"
                f"sentinel failover-timeout {SERVICE} 5000\n"
            )
            sentinel.start(str(path), "--sentinel")
        until("all Sentinels answer", lambda: all(node.is_up() for node in self.sentinels))
        self.until_whole()

    def until_whole(self) -> None:
        """Wait until the Sentinels know all, and the master has its replicas."""

        def is_whole() -> bool:
            up = [node for node in self.servers if node.process is not None]
            return all(
                _quiet(
                    lambda node: (
                        (state := node.master_as_known())["num-other-sentinels"] == 2
                        and state["num-slaves"] >= 2
                        and state["is_master"]
                        and not state["is_sdown"]
                    ),
                    node,
                )
                for node in self.sentinels
            ) and any(
                _quiet(
                    lambda node: (
                        node.is_master()
                        and sum(
                            one["state"] == "online"
                            for name, one in node.client.info("replication").items()
                            if name.startswith("slave") and isinstance(one, dict)
                        )
                        == len(up) - 1
                    ),
                    node,
                )
                for node in up
            )

        until("the trio is whole", is_whole)

    def bring_back(self, victim: Node) -> None:
        """Let a killed or silent server take part again, and wait until it does."""
        # As what the Sentinels would make of it after some seconds.
        port = self.master().port
        if victim.process is None:
            victim.start("--replicaof", f"127.0.0.1 {port}")
        else:
            victim.go_on()
            victim.ask("REPLICAOF", "127.0.0.1", port)
        self.until_whole()

    def owner(self, key: str) -> Node:
        """As of a Cluster."""
        return self.master()

    def master(self) -> Node:
        """Who is master, as the Sentinels say."""
        port = int(self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])
        return next(node for node in self.servers if node.port == port)

    def close(self) -> None:
        for node in (*self.sentinels, *self.servers):
            node.close()


def until(what: str, is_so: Callable[[], Any]) -> None:
    """Look again and again until something is so: servers tell nobody."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, f"it did not come to be that {what}"
        time.sleep(0.02)


def _quiet(ask: Callable[[Node], Any], node: Node) -> Any:
    """False while a server does not answer, or says that it cannot yet."""
    try:
        return ask(node)
    except (redis.exceptions.RedisError, OSError):
        return False


def free_port() -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port <= _HIGHEST_PORT:
            return port
