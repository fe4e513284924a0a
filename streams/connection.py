"""The way to one namespace on one Redis: calls that are repeated knowingly, reads that wait.

Every call of a script goes through `Connection.call`, which repeats it until its deadline when the
network or the server fails in passing: the scripts are made so that a repeated call changes nothing
more. redis-py's own blind retries are off. Each blocking read has a connection of its own.

On a Redis Cluster every script also names a key of its slot that never exists, so that Redis
refuses it as a whole while that slot is being moved: one that had begun could not go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from redis.exceptions import NoScriptError

from streams import clients, embedded, inspection, local
from streams.clients import Client
from streams.cluster import Address, ClusterClient, send_together
from streams.errors import (
    BackendFull,
    BackendRefused,
    BackendUnavailable,
    NotPersisted,
    NotReplicated,
    StreamsError,
)
from streams.faults import FAULTS, is_read_only, translated
from streams.gathering import Gathering
from streams.inspection import ServerReport
from streams.keys import KeySpace, PartitionKeys, guard_of, mark_of, tag_of
from streams.outage import Outages
from streams.scripts import Argument, BlockingRunner, Script, ScriptCall
from streams.sealing import PayloadCodec, Sealing

T = TypeVar("T")

logger = logging.getLogger("rhythm.streams")

EMBEDDED_SCHEME = "memory"

# A transition takes under a millisecond; a server that has not answered after this is in trouble.
REPLY_TIMEOUT_S = 5.0
# Calls that one process has under way at once; more wait for a connection instead of opening one.
POOL_SIZE = 16
# Pauses between repeats: short, since a restart on the same machine takes tenths of a second, and
# bounded, since a recovered server should see its workers within two seconds.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
# Partitions of a new namespace on a Redis Cluster: several for each of some masters.
CLUSTER_PARTITIONS = 16


def hide_password(url: str) -> str:
    """The address for people's eyes: its password is replaced by ``***``."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}:***@{host}"))


class Connection:
    """One namespace on one Redis: its clients and its keys.

    Args:
        url: ``redis://``, ``rediss://``, ``unix://``, ``memory://[name]``,
            ``redis+local:///folder`` (started if it does not run, which blocks for a moment),
            ``redis+sentinel://host:port[,host:port…]/service[/db]`` or
            ``redis+cluster://host:port[,host:port…]``, both also as ``rediss+…`` for encryption.
        namespace: what every key begins with.
        replicas: by how many replicas a write is to be confirmed; not for an embedded server.
        fsync: whether they, and the master, are to have it on disk then; needs Redis 7.2.
        patience_s: how long a call is repeated before `BackendUnavailable`; None is without end.
        clock: unix ms for scripts instead of the server's own clock, for tests; may step back.
        reply_timeout_s: how long one call waits for its answer before it counts as lost.
        server: the embedded server to use; by default the one that the address names.
        codecs: what payloads go through on their way to the server, in this order.
    """

    def __init__(
        self,
        url: str,
        namespace: str,
        *,
        patience_s: float | None = 10.0,
        clock: Callable[[], int] | None = None,
        reply_timeout_s: float = REPLY_TIMEOUT_S,
        server: embedded.Server | None = None,
        codecs: Sequence[PayloadCodec] = (),
        replicas: int = 0,
        fsync: bool = False,
    ) -> None:
        self.address = hide_password(url)
        # `definitions.check` puts the namespace's own partitions in its place.
        self.keys = KeySpace(namespace)
        self.sealing = Sealing(namespace, codecs)
        self.patience_s = patience_s
        self.replicas, self.fsync = replicas, fsync
        self._clock = clock
        self._reply_timeout_s = reply_timeout_s
        self._given_url = self._url = url
        self._readers: set[BlockingReader] = set()
        self._outages = Outages(self.address)
        self._is_closed = False
        self._starts: dict[str, Gathering[Any, Any]] = {}
        parts = urlsplit(url)
        self._local: local.LocalServer | None = None
        if parts.scheme == local.SCHEME:
            self._local = local.LocalServer(unquote(parts.path), self.address)
            self._url = self._local.url
        self._server = (
            server or embedded.open_server(parts.netloc + parts.path)
            if parts.scheme == EMBEDDED_SCHEME
            else None
        )
        self._cluster = (
            self._opened(lambda: clients.open_cluster(url, POOL_SIZE))
            if parts.scheme in clients.CLUSTER_SCHEMES
            else None
        )
        # redis-py's two kinds of client have much in common, and no type for it.
        self._client: Any = self._cluster or self._open_client(POOL_SIZE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def usual_partitions(self) -> int:
        """Into how many partitions a new namespace on such a server is divided."""
        return 1 if self._cluster is None else CLUSTER_PARTITIONS

    @property
    def declares_keys(self) -> bool:
        """Whether the server is to know which keys a script will use beyond its first ones: a
        Cluster, which refuses the script while one of them is being moved."""
        return self._cluster is not None

    @property
    def is_embedded(self) -> bool:
        """Whether the server lives in this process and keeps nothing."""
        return self._server is not None

    @property
    def is_one_server(self) -> bool:
        """Whether all that goes over a connection is carried out by one server, in order, and at
        its own time."""
        return self._cluster is None and self._server is None and self._clock is None

    def patient(self) -> Connection:
        """Another connection to the same server and namespace that repeats calls without end.

        It waits neither for replicas nor for the disk: nobody is told of what a worker delivers,
        and timers and leases go on while replicas are away.
        """
        return self.another(patience_s=None)

    def another(self, *, patience_s: float | None) -> Connection:
        """Another connection to the same server and namespace."""
        connection = Connection(
            self._given_url,
            self.keys.namespace,
            patience_s=patience_s,
            clock=self._clock,
            reply_timeout_s=self._reply_timeout_s,
            server=self._server,
            codecs=self.sealing.codecs,
        )
        connection.keys = self.keys
        return connection

    def now(self) -> str:
        """What scripts get as their ``now``: empty for the server's clock."""
        return "" if self._clock is None else str(self._clock())

    async def server_ms(self) -> int:
        """The time that scripts go by, unix ms."""
        if self._clock is not None:
            return self._clock()
        seconds, microseconds = await self.command("TIME", near=self.keys.partitions[0].due)
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def call(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run a script, repeated knowingly while the server fails in passing.

        Raises:
            BackendUnavailable: no answer within the connection's patience.
            BackendRefused: the server will not serve us; repeating would not help.
            BackendFull: the server is out of memory.
            CorruptRecord: what is stored under the keys is not what we wrote.
        """

        about = keys[-1]
        if self._cluster is not None:
            keys = [*keys, guard_of(keys[0])]

        async def once() -> Any:
            return await script.run(self._client, keys, arguments)

        return await self._patiently(once, script.name, about)

    def starts(
        self,
        keys: PartitionKeys,
        send: Callable[[Connection, PartitionKeys, Sequence[Any]], Awaitable[Sequence[Any]]],
    ) -> Gathering[Any, Any]:
        """Where starts in a partition meet, to go together by `send`."""
        found = self._starts.get(keys.prefix)
        if found is None:
            found = self._starts[keys.prefix] = Gathering(lambda items: send(self, keys, items))
        return found

    async def write(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]
    ) -> Any:
        """As `call`, for what is acknowledged to somebody: done when `replicas` have it too, and
        with `fsync` when it is on disk.

        Raises:
            NotReplicated: too few confirmed it within the connection's patience. The master has it.
            NotPersisted: the master has it, and not on disk within the connection's patience.
        """
        if not (self.replicas or self.fsync):
            return await self.call(script, keys, arguments)
        about, mark = keys[-1], mark_of(keys[0])
        if self._cluster is not None:
            keys = [*keys, guard_of(keys[0])]

        async def once() -> Any:
            try:
                return await self._replicated(mark, script.by_digest(keys, arguments))
            except NoScriptError:
                return await self._replicated(mark, script.in_full(keys, arguments))

        return await self._patiently(once, script.name, about)

    async def _replicated(self, mark: str, words: Sequence[Argument]) -> Any:
        """Send a command, and wait on the same connection until all up to then is confirmed.

        A repeated script may write nothing, and WAIT asks for the connection's last write: so there
        is always one behind it. See https://redis.io/commands/waitaof/.
        """
        # A script that Redis has forgotten is sent twice: together shorter than one call may take.
        # Most disks that are written every second have it by then.
        wait_ms = round(self._reply_timeout_s * 1000 * 0.4)
        wait = ("WAITAOF", 1) if self.fsync else ("WAIT",)
        together = (words, ("SET", mark, ""), (*wait, self.replicas, wait_ms))
        if self._cluster is not None:
            replies = await self._cluster.send_together(mark, together)
        else:
            replies = await send_together(self._client, together)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        reply, _, confirmed = replies
        on_disk, by_replicas = confirmed if self.fsync else (1, confirmed)
        if not on_disk:
            raise NotPersisted(self.address)
        if by_replicas < self.replicas:
            raise NotReplicated(self.address, self.replicas, by_replicas)
        return reply

    async def command(self, *words: Argument, near: str = "") -> Any:
        """Send one command that reads, or writes the same again when repeated.

        Args:
            near: for a command without a key: one whose server is to be asked.
        """
        cluster = self._cluster

        async def once() -> Any:
            if cluster is not None and near:
                return await cluster.ask_near(near, *words)
            return await self._client.execute_command(*words)

        return await self._patiently(once, str(words[0]), str(words[1]) if words[1:] else "")

    def reader(self) -> BlockingReader:
        """A connection of its own for blocking reads."""
        reader = BlockingReader(self)
        self._readers.add(reader)
        return reader

    def direct_caller(self) -> DirectCaller:
        """A way around the event loop to an embedded server, which answers at once."""
        assert self._server is not None
        return DirectCaller(embedded.blocking_client(self._server), self.sealing)

    async def inspect(self) -> ServerReport:
        """Look at the server before relying on it; of a Cluster at every master.

        Raises:
            BackendRefused: too old, or set to drop keys when memory is full.
        """
        if self.is_embedded:
            return inspection.EMBEDDED
        of_each = await self._info("everything")
        reports = [inspection.judged(self.address, info, fsync=self.fsync) for info in of_each]
        concerns = dict.fromkeys(one for report in reports for one in report.concerns)
        fewest = min(report.replicas for report in reports)
        return reports[0]._replace(concerns=tuple(concerns), replicas=fewest)

    async def processor_s(self) -> list[float]:
        """Processor seconds that the server's main thread has used by now; of a Cluster those of
        every master, and none of an embedded server, which is this process."""
        if self.is_embedded:
            return []
        return [inspection.processor_s(info) for info in await self._info("cpu")]

    async def _info(self, section: str) -> list[dict[str, Any]]:
        """What the server says of itself; of a Cluster every master."""
        cluster = self._cluster
        if cluster is None:
            return [await self.command("INFO", section)]

        async def once() -> list[dict[str, Any]]:
            return await cluster.ask_masters("INFO", section)

        of_each: list[dict[str, Any]] = await self._patiently(once, "INFO", "")
        return of_each

    async def close(self) -> None:
        """Close all connections opened through this object; calls fail."""
        self._is_closed = True
        for reader in list(self._readers):
            await reader.close()
        await self._client.aclose()
        if self._local is not None:
            self._local.release()

    def _open_client(self, connections: int) -> Client:
        """A client of the one server there is: of a Cluster's nodes see `BlockingReader`."""
        if self._server is not None:
            return embedded.async_client(self._server)
        return self._opened(lambda: clients.open_client(self._url, connections))

    def _opened(self, open_it: Callable[[], T]) -> T:
        try:
            return open_it()
        except TypeError as error:
            option = str(error).rpartition(" ")[2]
            reason = f"the address is malformed: it has an unknown option {option}"
            raise BackendRefused(self.address, reason) from error
        except ValueError as error:
            raise BackendRefused(self.address, f"the address is malformed: {error}") from error

    async def _patiently(self, once: Callable[[], Any], what: str, key: str) -> Any:
        loop = asyncio.get_running_loop()
        started = loop.time()
        pause = FIRST_PAUSE_S
        failure: StreamsError | None = None
        cause: Exception
        if self.is_embedded:
            # Its answers are there at once; but others must come to run, as during any call.
            await asyncio.sleep(0)
        while True:
            try:
                async with asyncio.timeout(self._reply_timeout_s):
                    answer = await once()
                if failure is not None and self.patience_s is None:
                    self._tell(self._outages.over(tag_of(key), failure, loop.time()))
                return answer
            except TimeoutError as error:
                silence = f"no answer within {self._reply_timeout_s:g} s"
                failure, cause = BackendUnavailable(self.address, silence), error
            except (NotReplicated, NotPersisted) as error:
                failure, cause = error, error
            except FAULTS as error:
                failure = self.translate(error, what, key)
                # Who waits without end also waits until there is room again.
                if not isinstance(failure, BackendUnavailable) and not (
                    isinstance(failure, BackendFull) and self.patience_s is None
                ):
                    raise failure from error
                cause = error
            if self._is_closed:
                # The client has just opened a connection again for the call that was under way.
                await self._client.aclose()
                raise failure from cause
            waited = loop.time() - started
            if self.patience_s is not None and waited + pause > self.patience_s:
                raise failure from cause
            # A client's caller hears of it by the error; a worker's operator only by the log.
            if self.patience_s is None:
                self._tell(self._outages.failed(tag_of(key), failure, loop.time()))
            else:
                logger.info("%s; trying again in %.2f s", failure, pause)
            if is_read_only(cause) and self._cluster is None:
                # The master has become a replica: the next connection finds the new one.
                await self._client.connection_pool.disconnect()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _tell(self, of_an_outage: str | None) -> None:
        if of_an_outage is not None:
            logger.warning("%s", of_an_outage)

    def translate(self, error: Exception, what: str, key: str = "") -> StreamsError:
        """One of redis-py's errors as one of ours.

        Args:
            what: the script or command that failed; `key` is the one it was about.
        """
        return translated(self.address, error, what, key, is_patient=self.patience_s is None)


class BlockingReader:
    """One connection that waits on lists, or on a stream, of one slot.

    On a Redis Cluster it goes to the node that owns the slot. When that was wrong the read fails,
    as with any lost connection; the next one goes to whoever owns it then.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client = None if connection._cluster else connection._open_client(1)
        self._node: Address | None = None

    async def pop(self, keys: Sequence[str], timeout_s: float) -> tuple[str, bytes] | None:
        """Wait for the first element of any of `keys`; None when `timeout_s` passed.

        See https://redis.io/commands/blpop/. An answer that does not come in time although the
        server should have given up waiting counts as a lost connection.

        Raises:
            BackendUnavailable: the connection failed; the next call opens a new one.
        """

        async def ask(client: Client) -> Any:
            return await client.blpop(list(keys), timeout=max(timeout_s, 0.001))

        found = await self._wait("BLPOP", keys[0], ask, timeout_s)
        if not found:
            return None
        key, value = found
        return bytes(key).decode(), bytes(value)

    async def pop_then(
        self, keys: Sequence[str], timeout_s: float, then: Callable[[], ScriptCall]
    ) -> tuple[bytes | None, Any]:
        """Wait as `pop`, then run a script; the element or None, and the script's answer.

        One server gets both at once and runs the script in the moment in which the wait ends, which
        saves a round trip. A call that fails or is cancelled may have run it.

        Args:
            then: gives the script's call, when it is sent.

        Raises:
            BackendUnavailable: the connection failed; the next call opens a new one.
            BackendRefused, BackendFull, CorruptRecord: as `Connection.call`.
        """
        connection = self._connection
        if not connection.is_one_server:
            popped = await self.pop(keys, timeout_s)
            answer = await connection.call(*then())
            return None if popped is None else popped[1], answer

        async def ask(client: Client) -> Any:
            behind = _Behind(client, ("BLPOP", *keys, max(timeout_s, 0.001)))
            script, script_keys, arguments = then()
            answer = await script.run(behind, script_keys, arguments)
            return behind.found, answer

        found, answer = await self._wait("BLPOP", keys[0], ask, timeout_s)
        return None if found is None else bytes(found[1]), answer

    async def entries_after(self, stream: str, after: str, timeout_s: float) -> list[Any]:
        """Wait for entries of a stream behind the id `after`; none when `timeout_s` passed.

        See https://redis.io/commands/xread/.

        Raises:
            BackendUnavailable: the connection failed; the next call opens a new one.
        """

        async def ask(client: Client) -> Any:
            return await client.xread({stream: after}, block=max(round(timeout_s * 1000), 1))

        found = await self._wait("XREAD", stream, ask, timeout_s)
        return [entry for _, entries in found for entry in entries] if found else []

    async def _wait(
        self, command: str, key: str, ask: Callable[[Client], Awaitable[Any]], timeout_s: float
    ) -> Any:
        connection = self._connection
        embedded_id: Any = None
        try:
            async with asyncio.timeout(timeout_s + REPLY_TIMEOUT_S):
                if connection._cluster is not None:
                    return await self._wait_in_cluster(connection._cluster, key, ask)
                assert self._client is not None
                if connection.is_embedded:
                    embedded_id = await self._client.client_id()
                return await ask(self._client)
        except asyncio.CancelledError:
            if embedded_id is not None:
                # A real server sees the connection close. This one would go on waiting, and take
                # what comes from those who still listen.
                await connection.command("CLIENT", "UNBLOCK", embedded_id)
            raise
        except TimeoutError as error:
            if connection._cluster is not None:
                connection._cluster.draw_anew()
            await self._disconnect()
            raise BackendUnavailable(connection.address, "a wait was not ended") from error
        except FAULTS as error:
            if connection._cluster is not None:
                connection._cluster.draw_anew()
                await self._disconnect()
            raise connection.translate(error, command) from error

    async def _wait_in_cluster(
        self, cluster: ClusterClient, key: str, ask: Callable[[Client], Awaitable[Any]]
    ) -> Any:
        if self._client is None or self._node is None:
            self._node = await cluster.owner(key)
            self._client = cluster.open(self._node)
        async with cluster.while_served(key, self._node):
            return await ask(self._client)

    async def _disconnect(self) -> None:
        client = self._client
        if client is None:
            return
        if self._connection._cluster is None:
            await client.connection_pool.disconnect()
        else:
            self._client = None
            await client.aclose()

    async def close(self) -> None:
        """Give the connection back."""
        self._connection._readers.discard(self)
        if self._client is not None:
            await self._client.aclose()


class _Behind:
    """Sends a command right behind one that waits, in the same write."""

    def __init__(self, client: Client, wait: Sequence[Any]) -> None:
        self._client, self._wait = client, wait
        self.found: Any = None

    async def execute_command(self, *words: Any) -> Any:
        if not self._wait:
            return await self._client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py's
        self.found, reply = await send_together(self._client, (self._wait, words))
        self._wait = ()
        for answer in (self.found, reply):
            if isinstance(answer, Exception):
                raise answer
        return reply


class DirectCaller:
    """Sends commands to an embedded server without the event loop."""

    def __init__(self, client: BlockingRunner, sealing: Sealing) -> None:
        self._client, self.sealing = client, sealing

    def command(self, *words: Argument) -> Any:
        """Send one command."""
        return self._client.execute_command(*words)
