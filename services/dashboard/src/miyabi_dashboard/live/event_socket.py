"""The WebSocket: a snapshot, or what was missed, then events as they come."""

from __future__ import annotations

import asyncio

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from miyabi_core.errors import PermissionDeniedError, UnauthenticatedError
from miyabi_core.text import shortened
from miyabi_dashboard.door.door import Admission, Door
from miyabi_dashboard.intake.events import InvalidEventError
from miyabi_dashboard.live.hub import Client, Hub
from miyabi_dashboard.live.snapshots import Snapshots
from miyabi_dashboard.live.subscription import Subscription, said_in, subscription_of, texts_of
from miyabi_dashboard.serving.incoming import sequence_of

#: Seconds between pings of the WebSocket.
HEARTBEAT_SECONDS = 20.0
#: Pages say what they want to be told of, and nothing else.
MAX_MESSAGE_BYTES = 4096


class EventSocket:
    """Serves WebSockets.

    Args:
        hub: Hands out events.
        snapshots: Where things stand.
        door: Is asked again with each message.
    """

    def __init__(self, hub: Hub, snapshots: Snapshots, *, door: Door) -> None:
        self._hub = hub
        self._snapshots = snapshots
        self._door = door

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Send a snapshot or what was missed, then events; what cannot be understood is closed with 1008."""
        # What is sent is encoded once for all clients; compressing it for each would cost more than everything else.
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, compress=False, max_msg_size=MAX_MESSAGE_BYTES)
        await socket.prepare(request)
        client: Client | None = None
        problem: InvalidEventError | None = None
        try:
            client = self._hub.attach(subscription_of(request.query))
            if texts := texts_of(request.query, "texts"):
                self._hub.read_along(client, texts)
            await self._begin(socket, client, request)
            async with asyncio.TaskGroup() as tasks:
                sender = tasks.create_task(self._send(socket, client, request))
                try:
                    await self._listen(socket, client)
                finally:
                    sender.cancel()
        except* InvalidEventError as errors:
            problem = _first(errors)
        finally:
            if client is not None:
                self._hub.detach(client)
        if problem is not None:
            # Not within `except*`, which would make a group of a cancellation.
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=_reason(problem))
        return socket

    async def _listen(self, socket: web.WebSocketResponse, client: Client) -> None:
        """Follow what the client asks for, until it goes.

        Raises:
            InvalidEventError: it asks for something that there is not.
        """
        async for message in socket:
            if message.type in {WSMsgType.ERROR, WSMsgType.CLOSE}:
                return
            said = said_in(_text_of(message))
            if not isinstance(said, Subscription):
                self._hub.read_along(client, said)
                continue
            self._hub.move(client, said)
            client.lost = True
            # Whoever sends waits for a message: an empty one wakes it, and is not sent.
            client.queue.put_nowait(b"")

    async def _begin(self, socket: web.WebSocketResponse, client: Client, request: web.Request) -> None:
        """Send what the page starts from.

        Raises:
            InvalidEventError: its position is none.
        """
        after, epoch = request.query.get("after", ""), request.query.get("epoch", "")
        missed = self._hub.since(sequence_of(after), epoch=epoch, subscription=client.subscription) if after else None
        if missed is None:
            await self._start_over(socket, client)
        elif missed:
            await _write(socket, missed)

    async def _start_over(self, socket: web.WebSocketResponse, client: Client) -> None:
        """Send where things stand, and what happened since that was asked for."""
        snapshot = await self._snapshots.get(client.subscription)
        await _write(socket, snapshot.body)
        missed = self._hub.since(snapshot.sequence, epoch=self._hub.epoch, subscription=client.subscription)
        if missed:
            await _write(socket, missed)

    async def _send(self, socket: web.WebSocketResponse, client: Client, request: web.Request) -> None:
        """Send what is queued; a client that fell behind gets a new snapshot."""
        sender = _Sender(self._door, request)
        client.send_now = sender.send_now
        try:
            while not socket.closed:
                sender.is_idle = True
                message = await client.queue.get()
                sender.is_idle = False
                sender.check()
                if client.lost:
                    client.empty()
                    await self._start_over(socket, client)
                elif message:
                    await _write(socket, message)
        except (UnauthenticatedError, PermissionDeniedError):
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"not known any more")
        except ConnectionError:
            return


class _Sender:
    """Sends frames at once, past the task that sends what waits, where that has nothing to do.

    Args:
        door: Is asked whether the client may still be told.
        request: The client's.
    """

    def __init__(self, door: Door, request: web.Request) -> None:
        self._door = door
        self._request = request
        self._admission = Admission()
        self.is_idle = False

    def check(self) -> None:
        """Look again at the client.

        Raises:
            UnauthenticatedError: it is not known any more.
            PermissionDeniedError: it may not be told any more.
        """
        self._door.still_admits(self._request, self._admission)

    def send_now(self, frame: bytes) -> bool:
        """Send a frame, unless the client is behind, away or not to be told: then it is queued, and seen to there."""
        transport = self._request.transport
        if not self.is_idle or transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            return False
        try:
            self.check()
        except (UnauthenticatedError, PermissionDeniedError):
            return False
        transport.write(frame)
        return True


#: What may lie unsent in a client's buffer before its messages wait in its queue, which is bounded: a few ticks.
_MOST_UNSENT_BYTES = 32 << 10
#: A close frame's reason has room for 123 bytes (RFC 6455 section 5.5); a mark of what was cut takes some of them.
_MOST_REASON = 80


def _reason(problem: InvalidEventError) -> bytes:
    """Return what is wrong, as long as a close frame has room."""
    return shortened(str(problem).encode("ascii", "backslashreplace").decode(), _MOST_REASON).encode()


async def _write(socket: web.WebSocketResponse, message: bytes) -> None:
    """Send a message of text that is encoded already."""
    await socket.send_frame(message, WSMsgType.TEXT)


def _text_of(message: WSMessage) -> str:
    """Return what a client says; what is no text says nothing that we know."""
    return message.data if message.type is WSMsgType.TEXT else ""


def _first(errors: BaseExceptionGroup[InvalidEventError]) -> InvalidEventError:
    """Return one error of a group."""
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, InvalidEventError)
    return first
