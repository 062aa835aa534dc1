"""Fans events out to WebSocket clients: gathered for a tick, encoded once a subscription, a bounded queue a client."""

from __future__ import annotations

import asyncio
import struct
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence

import orjson
from prometheus_client import Counter, Gauge

from miyabi_core.ids import new_ulid
from miyabi_core.metrics import REGISTRY
from miyabi_dashboard.live.subscription import EVERYTHING, Subscription
from miyabi_dashboard.live.told import Told

#: Events of this long travel together: below what a person notices, and a quarter of the CPU (50 ms, measured).
TICK_SECONDS = 0.05
#: Events that are kept for clients that come back.
KEPT_EVENTS = 2000
#: Messages that may wait for one client; a slower one is resynchronised.
CLIENT_QUEUE = 64
#: A subscription that nothing happens to is told so often how far it has come, so that its clients can resume.
MOST_BEHIND = KEPT_EVENTS // 4
#: Batches whose repositories are known: the events themselves do not tell.
MOST_BATCHES = 10_000

#: An event with its number.
_Entry = tuple[int, Told]

#: First byte of a frame that is a whole message of text.
_FINAL_TEXT = 0x81

ENCODED = Counter(
    "miyabi_dashboard_fanout_encoded_total", "Messages that were encoded, once for all clients of a subscription.",
    registry=REGISTRY,
)  # fmt: skip
RESYNCHRONISED = Counter(
    "miyabi_dashboard_fanout_resynchronised_total", "Clients that fell behind and were started over.", registry=REGISTRY
)
CLIENTS = Gauge("miyabi_dashboard_fanout_clients", "WebSockets that are open.", registry=REGISTRY)


class Client:
    """One WebSocket client.

    Args:
        subscription: What it is told of.
    """

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        #: The batch whose text it is told while models write it, `batches/{ulid}`; empty: none.
        self.texts = subscription.batch
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(maxsize=CLIENT_QUEUE)
        self.lost = False
        #: Sends a frame at once, and tells whether it could; only where nothing waits is it asked to.
        self.send_now: Callable[[bytes], bool] = _never

    def offer(self, message: bytes, frame: bytes) -> None:
        """Send or queue a message; one that cannot keep up gets no more, until whoever sends has started it over.

        A thousand tasks that each wake up for one message would cost ten times what sending does.

        Args:
            message: JSON.
            frame: The same as it travels.
        """
        if self.lost or (self.queue.empty() and self.send_now(frame)):
            return
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.lost = True
            RESYNCHRONISED.inc()

    def empty(self) -> None:
        """Forget what waits."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self.lost = False


class _Group:
    """The clients of one subscription; `covered` is the sequence up to which they were told."""

    def __init__(self, covered: int) -> None:
        self.clients: set[Client] = set()
        self.covered = covered


class Hub:
    """Numbers events and hands them out."""

    def __init__(self) -> None:
        self._groups: dict[Subscription, _Group] = {}
        self._pending: list[Told] = []
        self._filled = asyncio.Event()
        #: Who reads along what models write for a batch.
        self._readers: dict[str, set[Client]] = {}
        self._kept: deque[_Entry] = deque(maxlen=KEPT_EVENTS)
        self._repositories: OrderedDict[str, str] = OrderedDict()
        self.sequence = 0
        #: Names this numbering: another replica's, or that of this process's next life, is another one.
        self.epoch = new_ulid()

    def publish(self, events: Iterable[Told]) -> None:
        """Take events; they go out at the end of the tick."""
        self._pending.extend(events)
        if self._pending:
            self._filled.set()

    async def run(self) -> None:
        """Send what was gathered, tick by tick, until cancelled; the last event of a burst is always sent."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(TICK_SECONDS)
            self._filled.clear()
            pending, self._pending = self._pending, []
            self._send(pending)

    def know(self, batch: str, repository: str) -> None:
        """Remember which repository a batch is of."""
        self._repositories[batch] = repository
        self._repositories.move_to_end(batch)
        while len(self._repositories) > MOST_BATCHES:
            self._repositories.popitem(last=False)

    def _send(self, events: Sequence[Told]) -> None:
        """Number events, keep them, offer them to every client; text that is being written has no number."""
        texts = [event for event in events if event.is_text]
        numbered: list[_Entry] = []
        for event in events:
            if event.begins:
                self.know(event.batch, event.repository)
            if not event.is_text:
                self.sequence += 1
                numbered.append((self.sequence, event))
        self._kept.extend(numbered)
        for subscription, group in self._groups.items():
            if message := self._message(subscription, group, numbered):
                _offer(group.clients, message)
        for batch in {event.batch for event in texts} & self._readers.keys():
            written = [event.body for event in texts if event.batch == batch]
            _offer(self._readers[batch], orjson.dumps({"type": "deltas", "texts": written}))

    def _message(self, subscription: Subscription, group: _Group, numbered: Sequence[_Entry]) -> bytes:
        """Encode what the clients of a subscription are told of a tick; empty: nothing."""
        wanted = [entry for entry in numbered if self._is_wanted(subscription, entry[1])]
        if not wanted and self.sequence - group.covered < MOST_BEHIND:
            return b""
        message = _encoded(wanted, after=group.covered, sequence=self.sequence)
        group.covered = self.sequence
        return message

    def _is_wanted(self, subscription: Subscription, event: Told) -> bool:
        """Tell whether an event goes to the clients of a subscription; what the dashboard says of itself does."""
        if event.is_ours or subscription == EVERYTHING:
            return True
        repository = event.repository or self._repositories.get(event.batch, "")
        return subscription.wants(event.batch, repository=repository)

    def attach(self, subscription: Subscription = EVERYTHING) -> Client:
        """Add a client."""
        client = Client(subscription)
        self._join(client)
        CLIENTS.inc()
        return client

    def move(self, client: Client, subscription: Subscription) -> None:
        """Give a client another subscription; what waits for it is forgotten, so it must be started over."""
        self._leave(client)
        client.empty()
        client.subscription = subscription
        client.texts = subscription.batch
        self._join(client)

    def read_along(self, client: Client, batch: str) -> None:
        """Tell a client what models write for a batch, and for no other; empty: for none."""
        self._leave(client)
        client.texts = batch
        self._join(client)

    def detach(self, client: Client) -> None:
        """Remove a client."""
        self._leave(client)
        CLIENTS.dec()

    def _join(self, client: Client) -> None:
        """Add a client to those of its subscription."""
        self._groups.setdefault(client.subscription, _Group(self.sequence)).clients.add(client)
        if client.texts:
            self._readers.setdefault(client.texts, set()).add(client)

    def _leave(self, client: Client) -> None:
        """Take a client from those of its subscription."""
        group = self._groups[client.subscription]
        group.clients.discard(client)
        if not group.clients:
            del self._groups[client.subscription]
        if client.texts:
            self._readers[client.texts].discard(client)
            if not self._readers[client.texts]:
                del self._readers[client.texts]

    def since(self, after: int, *, epoch: str, subscription: Subscription = EVERYTHING) -> bytes | None:
        """Return the message with what a client missed, empty where that is nothing; None where it is no longer kept.

        Args:
            after: Sequence that the client has.
            epoch: Numbering that it is of.
            subscription: Of the client.
        """
        if not self.keeps(after, epoch=epoch):
            return None
        missed = [
            (sequence, event) for sequence, event in self._kept
            if sequence > after and self._is_wanted(subscription, event)
        ]  # fmt: skip
        return _encoded(missed, after=after, sequence=self.sequence) if self.sequence > after else b""

    def keeps(self, after: int, *, epoch: str) -> bool:
        """Tell whether all that happened behind a sequence is kept."""
        return epoch == self.epoch and self.sequence - len(self._kept) <= after <= self.sequence


def _offer(clients: Iterable[Client], message: bytes) -> None:
    """Offer a message to clients, as one frame for all."""
    ENCODED.inc()
    frame = frame_of(message)
    for client in clients:
        client.offer(message, frame)


def _encoded(entries: Sequence[_Entry], *, after: int, sequence: int) -> bytes:
    """Encode events: all that a subscription wants behind *after* up to *sequence*."""
    events = [{"sequence": number, "event": event.body} for number, event in entries]
    return orjson.dumps({"type": "events", "after": after, "sequence": sequence, "events": events})


def frame_of(message: bytes) -> bytes:
    """Return a message of text as one frame of a server: final, not masked (RFC 6455 section 5.2)."""
    length = len(message)
    if length < 126:
        head = bytes((_FINAL_TEXT, length))
    elif length < 1 << 16:
        head = struct.pack("!BBH", _FINAL_TEXT, 126, length)
    else:
        head = struct.pack("!BBQ", _FINAL_TEXT, 127, length)
    return head + message


def _never(frame: bytes) -> bool:
    """Send nothing: nobody said how."""
    del frame
    return False
