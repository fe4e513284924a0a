"""Send data into running workflows."""

from __future__ import annotations

from typing import Unpack

import msgspec

from rhythm import events
from rhythm.events import SignalReceived
from rhythm.models import SignalParameters, parse_signal
from rhythm.services.translation import translated
from rhythm.settings import Settings
from rhythm.surroundings import Surroundings
from streams import transitions
from streams.connection import Connection


class SignalService:
    """`app.signal_service`."""

    def __init__(
        self, connection: Connection, settings: Settings, surroundings: Surroundings
    ) -> None:
        self._connection, self._settings = connection, settings
        self._surroundings = surroundings

    async def send_signal(self, **keywords: Unpack[SignalParameters]) -> None:
        """Send a signal to a workflow; it is recorded when this returns.

        Takes `workflow_id`, `signal_name`, `payload` (any JSON value), `request_id` (sent twice
        with the same one it arrives once) and `queue`, which is not needed.

        Raises:
            InvalidRequest, InvalidPayload, PayloadTooLarge: before anything is written.
            ExecutionNotFound: there is no such workflow.
            ExecutionFinished: it has ended.
            ConnectionLost: no answer in time; with a `request_id` it is safe to repeat the call.
        """
        request = parse_signal(None, keywords, payload_limit=self._settings.payload_limit)
        received = SignalReceived(request.signal_name, msgspec.Raw(request.encoded_payload))
        with translated():
            await transitions.send_signal(
                self._connection,
                execution_id=request.workflow_id,
                request=request.request_id or self._surroundings.new_name(),
                payload=events.encode(received),
            )
