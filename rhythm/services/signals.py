"""Send data into running workflows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack, overload

import msgspec

from rhythm import events, tracing
from rhythm.errors import InvalidRequest
from rhythm.events import SignalReceived
from rhythm.models import (
    ExecutionParameters,
    ExecutionType,
    SignalParameters,
    check_chosen_id,
    check_name,
    parse_create,
    parse_signal,
)
from rhythm.payloads import encode_payload, kind_of
from rhythm.services.executions import ExecutionService
from rhythm.services.translation import translated
from rhythm.settings import Settings
from rhythm.surroundings import Surroundings
from streams import transitions
from streams.connection import Connection


class SignalService:
    """`app.signal_service`."""

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        surroundings: Surroundings,
        executions: ExecutionService,
    ) -> None:
        self._connection, self._settings = connection, settings
        self._surroundings, self._executions = surroundings, executions

    @overload
    async def send_signal(self, parameters: SignalParameters, /) -> None: ...

    @overload
    async def send_signal(
        self, parameters: None = None, /, **keywords: Unpack[SignalParameters]
    ) -> None: ...

    async def send_signal(
        self, parameters: Mapping[str, Any] | None = None, /, **keywords: Any
    ) -> None:
        """Send a signal to a workflow; it is recorded when this returns.

        Takes one dict or keywords: `workflow_id`, `signal_name`, `payload` (any JSON value),
        `request_id` (sent twice with the same one it arrives once) and `queue`, which is not
        needed.

        Raises:
            InvalidRequest, InvalidPayload, PayloadTooLarge: before anything is written; also for a
                signal to a task.
            ExecutionNotFound: there is no execution of this id.
            ExecutionFinished: it has ended.
            ConnectionLost: no answer in time; with a `request_id` it is safe to repeat the call.
        """
        request = parse_signal(parameters, keywords, payload_limit=self._settings.payload_limit)
        payload = msgspec.Raw(request.encoded_payload)
        with tracing.signalling(request.workflow_id, request.signal_name) as trace, translated():
            received = SignalReceived(request.signal_name, payload, trace)
            await transitions.tell_execution(
                self._connection,
                execution_id=request.workflow_id,
                request=request.request_id or self._surroundings.new_name(),
                type="signal_received",
                payload=events.encode(received),
            )

    async def signal_with_start(
        self,
        *,
        execution: ExecutionParameters,
        signal_name: str,
        payload: Any = None,
        request_id: str | None = None,
    ) -> str:
        """Send a signal to a workflow, which is started for it unless it lives; return its id.

        Both happen at one moment, so that of many who call it with one `id` the first one starts
        the workflow and all are heard.

        Args:
            execution: what `create_execution` takes; with an `id`, else a new one is started.
            payload: any JSON value.
            request_id: a call repeated with the same one is the same.

        Raises:
            InvalidRequest, InvalidPayload, PayloadTooLarge: before anything is written.
            WorkflowNotRegistered: naming the workflows that are known.
            ExecutionExists: the id belongs to another target or other inputs.
            ExecutionFinished: the workflow of that id has ended.
            ConnectionLost: no answer in time; with a `request_id` it is safe to repeat the call.
        """
        limit = self._settings.payload_limit
        if not isinstance(execution, Mapping):
            raise InvalidRequest(
                "execution",
                f"must be a dict of what create_execution takes, not {kind_of(execution)}",
            )
        request = parse_create(execution, {}, payload_limit=limit)
        for name in ("delay", "singleton", "debounce"):
            if execution.get(name) is not None:
                raise InvalidRequest(name, "is for create_execution: a signal starts it at once")
        if request.type is not ExecutionType.WORKFLOW:
            raise InvalidRequest("exec_type", "a task takes no signals; name a workflow")
        name = check_name(signal_name, "signal_name")
        if request_id is not None:
            check_chosen_id(request_id, "request_id")
        encoded = msgspec.Raw(encode_payload(payload, "payload", limit))
        signal = SignalReceived(name, encoded)
        return await self._executions.signal_or_start(request, signal, request_id)
