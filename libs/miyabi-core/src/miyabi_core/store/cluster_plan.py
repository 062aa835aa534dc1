"""Decides what makes servers one cluster again: who meets whom, who holds which slots, who follows whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from miyabi_core.store.address import Node

#: Slots of every cluster.
SLOTS = 16384
#: Flags of a peer whose address is not known, or not yet believed.
_STRANGE = frozenset({"noaddr", "handshake"})
#: Flags of a peer that does not live.
_GONE = frozenset({"fail", "noaddr"})

#: A command and the server that gets it, by its place in the list of servers.
Step = tuple[int, tuple[str | int, ...]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A server as another one sees it: a line of CLUSTER NODES."""

    address: Node
    flags: frozenset[str]
    slots: tuple[range, ...] = ()
    follows: str | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A server as it sees itself and its cluster.

    Args:
        index: Its place in the list of servers.
        identity: Its name in the cluster; new where its volume is new.
        address: Where the others reach it now.
        bus: Port of the cluster's own messages.
        zone: Where it runs, for example the name of a node; "" where it does not say.
        keys: How many keys it has.
        slots: What it holds itself.
        follows: Whom it is a replica of; None for a primary.
        in_step: As a replica: its link to the primary is up and it has all.
        state_ok: It calls the cluster whole.
        peers: The others, by identity.
    """

    index: int
    identity: str
    address: Node
    bus: int
    zone: str = ""
    keys: int = 0
    slots: tuple[range, ...] = ()
    follows: str | None = None
    in_step: bool = False
    state_ok: bool = False
    peers: Mapping[str, Peer] = field(default_factory=dict)

    def knows(self, other: Server) -> bool:
        """Tell whether it knows where another server is."""
        peer = self.peers.get(other.identity)
        return peer is not None and peer.address == other.address and not peer.flags & _STRANGE

    def agrees_with(self, other: Server) -> bool:
        """Tell whether it sees another server as that one sees itself."""
        peer = self.peers.get(other.identity)
        return other is self or (peer is not None and (peer.slots, peer.follows) == (other.slots, other.follows))

    @property
    def spare(self) -> bool:
        """Whether it holds nothing, so that it may be given anything."""
        return self.follows is None and not self.slots and not self.keys


def plan(servers: Sequence[Server], *, expected: int, primaries: int) -> list[Step]:
    """Return the next steps towards one whole cluster; none where nothing can or need be done.

    Those that live are made known to one another first, so that a server with a new address is found again. The rest
    waits until all are there and know each other: servers that are gone for good are forgotten, slots are given out
    where no server has a key yet, and who holds nothing follows the primary with the fewest replicas. Promotions are
    the cluster's own. Slots that nobody holds while there are keys are lost data, which a person has to decide about.

    Args:
        servers: Those that answer.
        expected: How many there are.
        primaries: How many of them hold slots.
    """
    meetings = list(_meetings(servers))
    if meetings or len(servers) < expected:
        return meetings
    forgetting = list(_forgetting(servers))
    if forgetting:
        return forgetting
    given = _given_out(servers, primaries)
    if given is None:
        return []
    steps: list[Step] = [
        (index, ("CLUSTER", "ADDSLOTSRANGE", part.start, part.stop - 1)) for index, part in given.items()
    ]
    return steps + list(_followings(servers, holders=given.keys()))


def problems(servers: Sequence[Server], *, expected: int) -> list[str]:
    """Return what keeps the cluster from being whole, in words; nothing where it is."""
    if len(servers) < expected:
        return [f"{expected - len(servers)} of {expected} servers do not answer"]
    found = []
    living = {server.identity for server in servers}
    if any(not living.issuperset(server.peers) for server in servers):
        found.append("a server that is gone is still known")
    if len(_held(servers)) < SLOTS:
        found.append(f"{SLOTS - len(_held(servers))} slots belong to nobody")
    if not all(server.agrees_with(other) for server in servers for other in servers):
        found.append("the servers do not agree yet")
    found += [f"server {server.index} calls the cluster broken" for server in servers if not server.state_ok]
    found += [
        f"server {server.index} holds nothing" for server in servers if server.follows is None and not server.slots
    ]
    found += [
        f"server {server.index} is behind" for server in servers if server.follows is not None and not server.in_step
    ]
    followed = {server.follows for server in servers}
    found += [
        f"server {server.index} has no replica"
        for server in servers
        if server.slots and server.identity not in followed
    ]
    return found


def _meetings(servers: Sequence[Server]) -> Iterator[Step]:
    """Let one that is in a cluster already meet those that it does not know; then whoever does not know whom."""
    if not servers:
        return
    first = max(servers, key=lambda server: (bool(server.slots), len(server.peers), -server.index))
    unknown = [other for other in servers if other is not first and not first.knows(other)]
    pairs = [(first, other) for other in unknown] or [
        (server, other) for server in servers for other in servers if server is not other and not server.knows(other)
    ]
    for server, other in pairs:
        host, port = other.address
        yield server.index, ("CLUSTER", "MEET", host, port, other.bus)


def _forgetting(servers: Sequence[Server]) -> Iterator[Step]:
    """Forget servers that no living one is and that hold nothing: those whose volume was lost."""
    living = {server.identity for server in servers}
    for server in servers:
        for identity, peer in server.peers.items():
            if identity not in living and peer.flags & _GONE and not peer.slots:
                yield server.index, ("CLUSTER", "FORGET", identity)


def _held(servers: Iterable[Server]) -> set[int]:
    """Return the slots that somebody holds, those included that only a peer tells of."""
    parts = {part for server in servers for part in server.slots}
    parts |= {part for server in servers for peer in server.peers.values() for part in peer.slots}
    return {slot for part in parts for slot in part}


def _given_out(servers: Sequence[Server], primaries: int) -> dict[int, range] | None:
    """Return which server is to hold which slots; None where slots are missing and must not be given out anew."""
    held = _held(servers)
    if len(held) == SLOTS:
        return {}
    parts = [range(SLOTS * number // primaries, SLOTS * (number + 1) // primaries) for number in range(primaries)]
    missing = [part for part in parts if held.isdisjoint(part)]
    if sum(len(part) for part in missing) + len(held) < SLOTS or any(server.keys for server in servers):
        return None
    zones = [server.zone for server in servers if server.slots]
    given: dict[int, range] = {}
    for part in missing:
        spare = [server for server in servers if server.spare and server.index not in given]
        if not spare:
            return None
        chosen = min(spare, key=lambda server: (zones.count(server.zone), server.index))
        zones.append(chosen.zone)
        given[chosen.index] = part
    return given


def _followings(servers: Sequence[Server], *, holders: Iterable[int]) -> Iterator[Step]:
    """Let those that hold nothing follow the primaries with the fewest replicas, those elsewhere first.

    Among equals each takes the one after its own place, so that three servers on three nodes do not leave the last
    one a primary on its own node.
    """
    new = set(holders)
    holding = [server for server in servers if server.slots or server.index in new]
    replicas = Counter(server.follows for server in servers if server.follows is not None)
    spare = [server for server in servers if server.spare and server.index not in new]
    for number, server in enumerate(spare if holding else ()):

        def cost(place: int, *, zone: str = server.zone, number: int = number) -> tuple[int, bool, int]:
            primary = holding[place]
            return replicas[primary.identity], primary.zone == zone, (place - number - 1) % len(holding)

        primary = holding[min(range(len(holding)), key=cost)]
        replicas[primary.identity] += 1
        yield server.index, ("CLUSTER", "REPLICATE", primary.identity)
