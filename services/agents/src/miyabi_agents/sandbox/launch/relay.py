"""Carries TCP connections from a listening socket inside a network namespace to one port of this machine's loopback."""

from __future__ import annotations

import os
import selectors
import socket
from contextlib import suppress

from miyabi_agents.sandbox.launch import linux

#: Bytes that are held for a side that does not take them yet.
_HELD = 1 << 16
#: Connections at once; further ones wait in the listening queue.
_MOST = 128


class _Side:
    """One end of a connection: what is read there goes to the other."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.other: _Side = self
        self.held = b""  #: read here, not yet written there
        self.ended = False  #: nothing more comes from here
        self.told = False  #: the other end has been told so

    def wants(self) -> int:
        """Return what to wait for: reading where nothing is held, writing where the other side holds something."""
        reading = selectors.EVENT_READ if not self.held and not self.ended else 0
        return reading | (selectors.EVENT_WRITE if self.other.held else 0)


class Relay:
    """Forwards until its process is ended.

    Args:
        server: Listening socket of the other namespace.
        port: TCP port at 127.0.0.1 here.
    """

    def __init__(self, server: socket.socket, port: int) -> None:
        self._server, self._port = server, port
        self._selector = selectors.DefaultSelector()
        self._connections = 0
        server.setblocking(False)

    def run(self) -> None:
        """Forward for ever."""
        self._selector.register(self._server, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._server:
                    self._accept()
                elif key.data.stream.fileno() >= 0:
                    self._move(key.data)

    def _accept(self) -> None:
        """Take a connection and connect it."""
        with suppress(OSError):
            inner, _ = self._server.accept()
            try:
                outer = socket.create_connection(("127.0.0.1", self._port), timeout=5)
            except OSError:
                inner.close()
                return
            sides = _Side(inner), _Side(outer)
            sides[0].other, sides[1].other = sides[1], sides[0]
            self._connections += 1
            for side in sides:
                side.stream.setblocking(False)
                self._selector.register(side.stream, side.wants(), side)
            if self._connections >= _MOST:
                self._selector.unregister(self._server)

    def _move(self, side: _Side) -> None:
        """Read and write what can be; a connection that broke or ended both ways is closed."""
        try:
            self._read(side)
            for one in (side, side.other):
                _write(one)
        except OSError:
            self._close(side)
            return
        if side.told and side.other.told:
            self._close(side)
            return
        for one in (side, side.other):
            self._wait(one)

    def _read(self, side: _Side) -> None:
        """Read where nothing is held."""
        if side.held or side.ended:
            return
        with suppress(BlockingIOError):
            side.held = side.stream.recv(_HELD)
            side.ended = not side.held

    def _wait(self, side: _Side) -> None:
        """Wait for what a side wants now."""
        wanted = side.wants()
        known = side.stream in self._selector.get_map()
        if wanted and known:
            self._selector.modify(side.stream, wanted, side)
        elif wanted:
            self._selector.register(side.stream, wanted, side)
        elif known:
            self._selector.unregister(side.stream)

    def _close(self, side: _Side) -> None:
        """Forget both ends."""
        for one in (side, side.other):
            if one.stream in self._selector.get_map():
                self._selector.unregister(one.stream)
            one.stream.close()
        if self._connections == _MOST:
            self._selector.register(self._server, selectors.EVENT_READ)
        self._connections -= 1


def _write(side: _Side) -> None:
    """Hand on what was read from a side, and its end."""
    with suppress(BlockingIOError):
        while side.held:
            side.held = side.held[side.other.stream.send(side.held) :]
    if side.ended and not side.held and not side.told:
        side.told = True
        side.other.stream.shutdown(socket.SHUT_WR)


def start(port: int) -> socket.socket:
    """Start a relay in a process of its own; returns where it takes the listening socket from."""
    ours, theirs = socket.socketpair()
    if os.fork() != 0:
        theirs.close()
        return ours
    try:
        linux.die_with_parent()
        os.closerange(3, theirs.fileno())
        os.closerange(theirs.fileno() + 1, 4096)
        _, descriptors, _, _ = socket.recv_fds(theirs, 1, 1)
        for descriptor in range(3):  # the command's output is not this process's to hold open
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
        Relay(socket.socket(fileno=descriptors[0]), port).run()
    finally:
        os._exit(0)
