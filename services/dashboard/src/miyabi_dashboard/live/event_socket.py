"""The WebSocket: a snapshot, or what was missed, then events as they come."""

from __future__ import annotations

import asyncio
import json

from aiohttp import WSCloseCode, WSMsgType, web

from miyabi_core.errors import PermissionDeniedError, UnauthenticatedError
from miyabi_dashboard.door.door import Door
from miyabi_dashboard.http.incoming import sequence_of
from miyabi_dashboard.intake.events import InvalidEventError
from miyabi_dashboard.live.hub import Client, Hub
from miyabi_dashboard.live.snapshots import Snapshots

#: Seconds between pings of the WebSocket.
HEARTBEAT_SECONDS = 20.0
#: Pages have nothing to say; what they say is not kept.
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
        """Send a snapshot or what was missed, then events; a position that is none is closed with 1008."""
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, compress=True, max_msg_size=MAX_MESSAGE_BYTES)
        await socket.prepare(request)
        client = self._hub.attach()
        try:
            await self._begin(socket, request)
            async with asyncio.TaskGroup() as tasks:
                sender = tasks.create_task(self._send(socket, client, request))
                async for message in socket:
                    if message.type in {WSMsgType.ERROR, WSMsgType.CLOSE}:
                        break
                sender.cancel()
        except InvalidEventError as error:
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=str(error).encode())
        finally:
            self._hub.detach(client)
        return socket

    async def _begin(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        """Send what the page starts from.

        Raises:
            InvalidEventError: its position is none.
        """
        after, epoch = request.query.get("after", ""), request.query.get("epoch", "")
        missed = self._hub.since(sequence_of(after), epoch=epoch) if after else None
        if missed is None:
            await self._start_over(socket)
        elif missed:
            await socket.send_str(json.dumps({"type": "events", "events": missed}))

    async def _start_over(self, socket: web.WebSocketResponse) -> None:
        """Send where things stand, and what happened since that was asked for."""
        snapshot = await self._snapshots.get()
        await socket.send_str(snapshot.text)
        if missed := self._hub.since(snapshot.sequence, epoch=self._hub.epoch):
            await socket.send_str(json.dumps({"type": "events", "events": missed}))

    async def _send(self, socket: web.WebSocketResponse, client: Client, request: web.Request) -> None:
        """Send what is queued; a client that fell behind gets a new snapshot."""
        while not socket.closed:
            if client.lost:
                while not client.queue.empty():
                    client.queue.get_nowait()
                client.lost = False
                await self._start_over(socket)
            text = await client.queue.get()
            try:
                self._door.check(request)
                await socket.send_str(text)
            except (UnauthenticatedError, PermissionDeniedError):
                await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"not known any more")
                return
            except ConnectionError:
                return
