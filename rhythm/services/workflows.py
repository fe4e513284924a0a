"""Workflow definitions: those this application registered, and those in the store.

An application starts the sources that it registered itself, by their digest. A start by a name
alone takes the store's latest. A program is compiled once per digest and process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

import flowlang
from flowlang.program import digest_of
from rhythm.engine.history import definitions_of
from rhythm.engine.retry import duration_ms
from rhythm.engine.turn import KnownWorkflow
from rhythm.errors import (
    ConfigurationError,
    FlowSyntaxError,
    InvalidRequest,
    UnreadableRecord,
    WorkflowNotRegistered,
    quoted,
)
from rhythm.models import Registration, WorkflowInfo, check_definition, check_name
from rhythm.payloads import kind_of
from rhythm.services.translation import translated
from streams import definitions
from streams.codec import StoredEvent
from streams.connection import Connection

DEFAULT_QUEUE = "default"

FLOW_SUFFIX = ".flow"

_REGISTER_AGAIN = "deploy that source again"


class WorkflowFile(msgspec.Struct, frozen=True):
    """A workflow's source.

    Attributes:
        name: what it is started by.
        source: the text of the `.flow`.
        file_path: where it came from, for messages.

    Raises ConfigurationError when made with something that cannot be.
    """

    name: str
    source: str
    file_path: str

    def __post_init__(self) -> None:
        try:
            check_name(self.name, "name")
        except InvalidRequest as error:
            raise ConfigurationError(f"WorkflowFile: {error}") from None
        for field in ("source", "file_path"):
            value = getattr(self, field)
            if not isinstance(value, str):
                raise ConfigurationError(
                    f"WorkflowFile {self.name!r}: {field} must be text, not {kind_of(value)}",
                    "give what read_text() returned" if field == "source" else "give str(path)",
                )
            # Of a subclass the text alone is kept.
            msgspec.structs.force_setattr(self, field, str.__str__(value))


class StoredSource(msgspec.Struct, frozen=True):
    """A definition as the store keeps it."""

    source: str
    path: str


def read_workflow_files(paths: Sequence[str | Path]) -> list[tuple[str | None, str, str]]:
    """Sources in files and folders, as (None, source, path); folders are searched in depth.

    Raises:
        ConfigurationError: a path does not exist, is no `.flow`, or cannot be read.
    """
    found: list[tuple[str | None, str, str]] = []
    for given in paths:
        path = Path(given)
        if path.is_dir():
            files = sorted(path.rglob(f"*{FLOW_SUFFIX}"))
            if not files:
                raise ConfigurationError(
                    f"folder {str(path)!r} holds no {FLOW_SUFFIX} file",
                    "give the folder or file of a workflow",
                )
        elif path.is_file():
            files = [path]
        else:
            raise ConfigurationError(
                f"there is no file or folder {str(path)!r}",
                f"the current directory is {str(Path.cwd())!r}",
            )
        for file in files:
            try:
                found.append((None, file.read_text(encoding="utf-8"), str(file)))
            except (OSError, UnicodeDecodeError) as error:
                problem = f"workflow {str(file)!r} cannot be read: {error}"
                raise ConfigurationError(problem) from error
    return found


def compile_all(
    sources: Sequence[tuple[str | None, str, str]],
) -> dict[str, flowlang.Program]:
    """Programs by workflow name; all of them, or none.

    Args:
        sources: (name or None for the file's own, text, path).

    Raises:
        FlowSyntaxError: with the mistakes of all sources.
        ConfigurationError: two of one name, or a name that its front matter contradicts.
    """
    mistakes: list[flowlang.Diagnostic] = []
    compiled: list[tuple[str | None, flowlang.Program]] = []
    for name, text, path in sources:
        # The name of a file need not be text.
        shown = path.encode("utf-8", "replace").decode()
        try:
            compiled.append((name, flowlang.compile(text, path=shown)))
        except flowlang.FlowSyntaxError as error:
            mistakes += error.diagnostics
    if mistakes:
        raise FlowSyntaxError(mistakes)
    programs: dict[str, flowlang.Program] = {}
    for given, program in compiled:
        own = program.front_matter.name
        if given is not None and own is not None and given != own:
            raise ConfigurationError(
                f"{program.path}: it is given as {given!r} and names itself {own!r}",
                "use one name",
            )
        try:
            name = check_name(given or program.name, "its name")
        except InvalidRequest as error:
            raise ConfigurationError(
                f"{program.path}: {error}", "name it in its front matter, or rename the file"
            ) from None
        if name in programs:
            raise ConfigurationError(
                f"two workflows are named {name!r}: {programs[name].path} and {program.path}",
                "rename one, in its front matter or by its file's name",
            )
        programs[name] = program
    return programs


def known(program: flowlang.Program) -> KnownWorkflow:
    """What a start of this program is to know of it."""
    matter = program.front_matter
    timeout_ms = 0 if matter.timeout is None else duration_ms(matter.timeout, "timeout")
    return KnownWorkflow(
        program.digest, matter.queue, timeout_ms, matter.inputs, matter.priority, matter.key
    )


class WorkflowService:
    """What workflows there are."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._own: dict[str, flowlang.Program] = {}
        self._compiled: dict[str, flowlang.Program] = {}

    @property
    def registered(self) -> Mapping[str, flowlang.Program]:
        """The programs that this application registered, by name."""
        return self._own

    async def register(
        self, programs: Mapping[str, flowlang.Program], *, deploy: bool = False
    ) -> list[Registration]:
        """Keep definitions in the store and start workflows of these names by them.

        One that the store has never seen becomes the latest of its name, which those start who
        know the name alone. A known one changes nothing, unless it is to be deployed: so an old
        process that starts again during a rolling deploy moves nothing. Running executions stay
        with the definition that they began with.

        Args:
            deploy: make them the latest also if the store has seen them before.
        """
        done = []
        with translated():
            for name, program in programs.items():
                is_new, before = await definitions.register(
                    self._connection,
                    name=name,
                    digest=program.digest,
                    source=msgspec.msgpack.encode(StoredSource(program.source, program.path)),
                    deploy=deploy,
                )
                moved = (is_new or deploy) and before != program.digest
                done.append(
                    Registration(
                        name=name,
                        definition=program.digest,
                        is_new=is_new,
                        replaced=before if moved else None,
                    )
                )
        self.know(programs)
        return done

    async def keep(self, name: str, program: flowlang.Program) -> None:
        """Keep a definition for executions that name it. Starts by the name alone stay as they are.

        Raises:
            ConnectionLost: no answer in time.
        """
        with translated():
            await definitions.keep(
                self._connection,
                name=name,
                digest=program.digest,
                source=msgspec.msgpack.encode(StoredSource(program.source, program.path)),
            )
        self._compiled[program.digest] = program

    def know(self, programs: Mapping[str, flowlang.Program]) -> None:
        """Start workflows of these names by them; the store has them already."""
        self._own.update(programs)
        self._compiled.update((program.digest, program) for program in programs.values())

    async def list_workflows(self) -> list[WorkflowInfo]:
        """All workflows that can be started, by name; a registered one as registered here."""
        with translated():
            names = await definitions.names(self._connection)
        return [await self._info(name, await self._startable(name)) for name in names]

    async def get_workflow(self, name: str, definition: str | None = None) -> WorkflowInfo:
        """One workflow, with its source.

        Args:
            definition: the content hash; None is what a start by this name runs.

        Raises:
            WorkflowNotRegistered: with the names that are known.
            ConnectionLost: no answer in time.
        """
        check_name(name, "name")
        if definition is None:
            program = await self._startable(name)
        else:
            check_definition(definition, "definition")
            program = await self.program(name, definition)
        info = await self._info(name, program)
        return msgspec.structs.replace(info, source=program.source)

    async def _info(self, name: str, program: flowlang.Program) -> WorkflowInfo:
        with translated():
            latest = await definitions.latest(self._connection, name)
        return WorkflowInfo(
            name=name,
            definition=program.digest,
            path=program.path,
            queue=program.front_matter.queue or DEFAULT_QUEUE,
            description=program.front_matter.description,
            latest=latest == program.digest,
        )

    async def resolve(self, name: str, *, by_name: bool = False) -> KnownWorkflow:
        """What a start by this name runs.

        Args:
            by_name: the latest deployed definition, also where another one is registered here.

        Raises:
            WorkflowNotRegistered: with the names that are known.
        """
        return known(await self._startable(name, by_name=by_name))

    async def latest(self, name: str) -> flowlang.Program:
        """The program that a start by this name alone runs.

        Raises:
            As `program`.
        """
        return await self._startable(name, by_name=True)

    async def programs_of(
        self, name: str, execution_id: str, history: Iterable[StoredEvent]
    ) -> list[flowlang.Program]:
        """What a history runs: the program to begin with, and those that it was moved onto by a
        mapping.

        Raises:
            WorkflowNotRegistered, FlowSyntaxError, UnreadableRecord: as `program`.
            UnreadableEvent: an event that says it is damaged.
        """
        return [
            await self.program(name, definition)
            for definition in definitions_of(execution_id, history)
        ]

    async def program(self, name: str, definition: str) -> flowlang.Program:
        """The program of a definition, from here or from the store.

        Raises:
            WorkflowNotRegistered: the store does not have it (any more).
            FlowSyntaxError: this release does not accept what another one registered.
            UnreadableRecord: what is stored of it is damaged.
        """
        if (program := self._compiled.get(definition)) is not None:
            return program
        with translated():
            stored = await definitions.source(self._connection, name, definition)
        if stored is None:
            raise WorkflowNotRegistered(f"{name}@{definition}", sorted(self._own))
        what = f"definition {definition} of workflow {name!r}"
        try:
            source = msgspec.msgpack.decode(stored, type=StoredSource)
        except msgspec.DecodeError as error:
            raise UnreadableRecord(what, str(error), _REGISTER_AGAIN) from error
        if digest_of(source.source) != definition:
            raise UnreadableRecord(what, "its source is another one", _REGISTER_AGAIN)
        try:
            program = flowlang.compile(source.source, path=source.path)
        except flowlang.FlowSyntaxError as error:
            raise FlowSyntaxError(error.diagnostics) from error
        self._compiled[definition] = program
        return program

    async def known_names(self) -> list[str]:
        """The names that can be started."""
        with translated():
            return await definitions.names(self._connection)

    async def _startable(self, name: str, *, by_name: bool = False) -> flowlang.Program:
        if not by_name and (own := self._own.get(name)) is not None:
            return own
        with translated():
            digest = await definitions.latest(self._connection, name)
        if digest is None:
            raise WorkflowNotRegistered(name, await self.known_names())
        try:
            return await self.program(name, digest)
        except WorkflowNotRegistered as error:
            what = f"the latest definition of workflow {name!r}"
            reason = f"it is to be {quoted(digest)}, which is not kept"
            raise UnreadableRecord(what, reason, _REGISTER_AGAIN) from error
