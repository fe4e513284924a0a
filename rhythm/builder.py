"""Initialise an application: the one place that wires the parts together."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Generator, Iterable
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rhythm import tasks
from rhythm.codecs import PayloadCodec
from rhythm.codecs.selection import check_codecs, codecs_of
from rhythm.errors import ConfigurationError
from rhythm.models import Diagnosis, Latency
from rhythm.payloads import kind_of
from rhythm.services.bulk import BulkService
from rhythm.services.diagnosis import DiagnosisService
from rhythm.services.executions import ExecutionService
from rhythm.services.histories import HistoryService
from rhythm.services.limits import LimitService
from rhythm.services.pauses import PauseService
from rhythm.services.scheduler import SchedulerService
from rhythm.services.signals import SignalService
from rhythm.services.translation import translated
from rhythm.services.verification import VerificationService
from rhythm.services.workflows import (
    WorkflowFile,
    WorkflowService,
    compile_all,
    read_workflow_files,
)
from rhythm.settings import (
    Settings,
    check_database_url,
    check_setting,
    hide_password,
    load_settings,
)
from rhythm.surroundings import Surroundings
from streams import definitions
from streams.connection import Connection

logger = logging.getLogger("rhythm")

EMBEDDED_URL = "memory://"

# Whoever mistyped the address should hear of it soon; a server that is just starting is soon there.
FIRST_CONTACT_S = 2.0


class Rhythm:
    """An initialised application. Made by `InitBuilder`."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.settings = settings
        self.surroundings = surroundings or Surroundings()
        self._connection = connection
        # A worker outlasts its Redis: its calls are repeated without end.
        self.worker_connection = connection.patient()
        self.workflow_service = WorkflowService(connection)
        self.execution_service = ExecutionService(
            connection, settings, self.surroundings, self.workflow_service, tasks.registry
        )
        self.scheduler_service = SchedulerService(
            connection, settings, self.surroundings, self.execution_service
        )
        self.signal_service = SignalService(
            connection, settings, self.surroundings, self.execution_service
        )
        self.pause_service = PauseService(connection)
        self.limit_service = LimitService(connection)
        self._diagnosis = DiagnosisService(
            connection, settings, self.surroundings, self.pause_service, self.workflow_service
        )
        self.history_service = HistoryService(connection, self.workflow_service, self.surroundings)
        self.bulk_service = BulkService(connection, self.execution_service, self.history_service)
        self.verification_service = VerificationService(connection, self.workflow_service)

    @property
    def database_url_shown(self) -> str:
        """The address for people's eyes, its password hidden."""
        return self._connection.address

    async def diagnose(self, *, reads_workflows: bool = False) -> Diagnosis:
        """The state of the server, the namespace, its workers and queues, and what is amiss.

        Args:
            reads_workflows: also compare the tasks and workflows that the latest sources name with
                those that there are, which reads every source.

        Raises:
            ConfigurationError, ConnectionLost: Redis cannot be used, or does not answer.
        """
        return await self._diagnosis.diagnose(reads_workflows=reads_workflows)

    async def latencies(self, limit: int = 100) -> list[Latency]:
        """How long executions that completed of late waited and took, by name.

        Args:
            limit: how many to look at: those that were created last of all that completed.

        Raises:
            ConnectionLost: Redis does not answer.
        """
        return await self._diagnosis.latencies(limit)

    async def close(self) -> None:
        """Close all connections. Workers of this application must have ended."""
        await self.execution_service.close()
        await self.worker_connection.close()
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class InitBuilder:
    """Say where Redis is and what workflows there are, then `await ….init()`.

    Without an address it uses ``memory://``, an embedded server that keeps nothing, and warns. Also
    an async context manager that gives the application and closes it.
    """

    def __init__(self) -> None:
        self._database_url: str | None = None
        self._namespace: str | None = None
        self._config_path: str | PathLike[str] | None = None
        self._auto_migrate = True
        self._codecs: tuple[PayloadCodec, ...] | None = None
        self._replicas: int | None = None
        self._fsync: bool | None = None
        self._files: list[WorkflowFile] = []
        self._paths: list[Path] = []
        self._app: Rhythm | None = None

    def database_url(self, url: str) -> Self:
        """The address: `redis://`, `rediss://`, `unix://`, `redis+sentinel://`, `redis+cluster://`,
        `redis+local://` or `memory://`.

        Raises:
            ConfigurationError: an address of another kind; says what to give instead.
        """
        check_database_url(url)
        self._database_url = url
        return self

    def namespace(self, namespace: str) -> Self:
        """What all keys begin with; applications in one Redis need different ones."""
        self._namespace = namespace
        return self

    def config_path(self, path: str | PathLike[str]) -> Self:
        """A TOML file with settings; what is given here and in the environment goes before it.

        Raises:
            ConfigurationError: it is no path.
        """
        if not isinstance(path, str | PathLike):
            raise ConfigurationError(f"config_path() takes a path, not {kind_of(path)}")
        self._config_path = path
        return self

    def auto_migrate(self, enabled: bool) -> Self:
        """Whether `init` sets an empty namespace up (the default), or refuses it.

        Raises:
            ConfigurationError: neither True nor False.
        """
        if not isinstance(enabled, bool):
            raise ConfigurationError(f"auto_migrate() takes True or False, not {kind_of(enabled)}")
        self._auto_migrate = enabled
        return self

    def codecs(self, codecs: Iterable[PayloadCodec]) -> Self:
        """What payloads go through on their way to Redis, in this order; see `rhythm.codecs`.

        All applications of a namespace, and its workers, need the same ones. Without this call
        the settings `compression` and `encryption_keys` say which.

        Raises:
            ConfigurationError: one that is no codec, or two of one name.
        """
        if not isinstance(codecs, Iterable):
            raise ConfigurationError("codecs() takes a list", "give [Compression()] or others")
        self._codecs = check_codecs(codecs)
        return self

    def durability(self, *, replicas: int | None = None, fsync: bool | None = None) -> Self:
        """What is to be confirmed before a call that starts, signals or ends something returns.

        Args:
            replicas: how many must have it too; it then survives the loss of its master. When too
                few do in good time, the call raises `NotReplicated`.
            fsync: whether the master, and these replicas, must have it on their disks, so that it
                survives the loss of power; needs Redis 7.2 or newer with an append-only file. When
                the master has not in good time, the call raises `NotPersisted`.

        Raises:
            ConfigurationError: replicas is no whole number from 0 to 100, or fsync no bool.
        """
        if replicas is not None:
            check_setting("replicas", replicas, "durability(replicas=…)")
            self._replicas = replicas
        if fsync is not None:
            check_setting("fsync", fsync, "durability(fsync=…)")
            self._fsync = fsync
        return self

    def workflows(self, files: Iterable[WorkflowFile]) -> Self:
        """Workflows whose source the program has at hand.

        Raises:
            ConfigurationError: something in it is no `WorkflowFile`.
        """
        if isinstance(files, WorkflowFile):
            raise ConfigurationError("workflows() takes a list", "give [WorkflowFile(…)]")
        for file in files if isinstance(files, Iterable) else [files]:
            if not isinstance(file, WorkflowFile):
                raise ConfigurationError(
                    f"workflows() takes WorkflowFile objects, not {kind_of(file)}",
                    "for files and folders use workflow_paths()",
                )
            self._files.append(file)
        return self

    def workflow_paths(self, paths: Iterable[str | PathLike[str]]) -> Self:
        """`.flow` files, and folders that hold some. A workflow is named by its front matter,
        else by its file's stem.

        Raises:
            ConfigurationError: one path instead of a list of them, or something that is no path.
        """
        if isinstance(paths, str | PathLike):
            raise ConfigurationError("workflow_paths() takes a list", f"give [{str(paths)!r}]")
        for path in paths if isinstance(paths, Iterable) else [paths]:
            if not isinstance(path, str | PathLike) or path == "":
                # An empty one would be the folder that the process happens to be in.
                what = "an empty text" if path == "" else kind_of(path)
                raise ConfigurationError(
                    f"workflow_paths() takes paths, not {what}",
                    "for sources at hand use workflows()",
                )
            self._paths.append(Path(path))
        return self

    async def init(self) -> Rhythm:
        """Connect, look at the server, set the namespace up, register the workflows.

        Raises:
            ConfigurationError: a setting, the server or the namespace cannot be used.
            FlowSyntaxError: mistakes in workflows; none of them is registered then.
            ConnectionLost: Redis does not answer.
        """
        settings = load_settings(
            config_path=self._config_path,
            database_url=self._database_url,
            namespace=self._namespace,
            replicas=self._replicas,
            fsync=self._fsync,
        )
        sources = [(file.name, file.source, file.file_path) for file in self._files]
        programs = compile_all([*sources, *read_workflow_files(self._paths)])
        if settings.database_url is None:
            warnings.warn(
                "no address given: executions are kept in this process's memory and are gone with "
                "it; give database_url('redis://…') to keep them",
                stacklevel=2,
            )
        url = settings.database_url or EMBEDDED_URL
        if settings.replicas and url.startswith(EMBEDDED_URL):
            raise ConfigurationError(
                f"replicas is {settings.replicas}, and an embedded server has none",
                "give the address of a Redis with replicas, or set replicas to 0",
            )
        if settings.fsync and url.startswith(EMBEDDED_URL):
            raise ConfigurationError(
                "fsync is set, and an embedded server has no disk",
                "give the address of a Redis, or leave fsync out",
            )
        with translated():
            first_s = min(FIRST_CONTACT_S, settings.client_timeout)
            codecs = codecs_of(settings) if self._codecs is None else self._codecs
            connection = Connection(
                url,
                settings.namespace,
                patience_s=first_s,
                codecs=codecs,
                replicas=settings.replicas,
                fsync=settings.fsync,
            )
            try:
                await prepare(
                    connection,
                    migrate=self._auto_migrate or connection.is_embedded,
                    partitions=settings.partitions,
                )
                connection.patience_s = settings.client_timeout
                app = Rhythm(settings, connection)
                await app.workflow_service.register(programs)
            except BaseException:
                await connection.close()
                raise
        return app

    def __await__(self) -> Generator[Any, None, Rhythm]:
        return self.init().__await__()

    async def __aenter__(self) -> Rhythm:
        self._app = await self.init()
        return self._app

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._app is not None:
            await self._app.close()
            self._app = None


async def prepare(connection: Connection, *, migrate: bool, partitions: int | None = None) -> None:
    """Look at the server, and set the namespace up or insist that it is.

    Args:
        partitions: how many a new namespace gets; None is what suits the server.

    Raises:
        StreamsError: the server does not answer, cannot be used, or the namespace is not set up.
    """
    report = await connection.inspect()
    for concern in report.concerns:
        logger.warning("%s: %s", connection.address, concern)
    if migrate:
        await definitions.migrate(connection, partitions)
    else:
        await definitions.check(connection)


async def migrate(url: str, namespace: str, partitions: int | None = None) -> list[str]:
    """Set a namespace up; what was done, a sentence each.

    Args:
        partitions: how many a new namespace gets; None is what suits the server.

    Raises:
        ConfigurationError: the address or the server cannot be used, or another release set it up.
        ConnectionLost: Redis does not answer.
    """
    check_database_url(url)
    with translated():
        async with Connection(url, namespace) as connection:
            report = await connection.inspect()
            created = await definitions.migrate(connection, partitions)
    where = f"namespace {namespace!r} at {hide_password(url)}"
    done = f"set up {where}" if created else f"{where} was set up already: nothing to do"
    return [done, *map(str, report.concerns)]
