"""Where the state store is, and how long a call may wait for it."""

from __future__ import annotations

from contextvars import copy_context
from datetime import timedelta

import pytest

from miyabi_core.deadlines import bind, left_of_call
from miyabi_core.store.address import Address
from miyabi_core.store.redis import connect


@pytest.mark.parametrize(
    ("url", "nodes", "cluster", "first"),
    [
        ("redis://store", [("store", 6379)], False, "redis://store:6379"),
        ("redis://:secret@store:7000/2", [("store", 7000)], False, "redis://:secret@store:7000/2"),
        (
            "rediss://u:p@a:1,b:2/0?cluster=true&ssl_cert_reqs=none",
            [("a", 1), ("b", 2)],
            True,
            "rediss://u:p@a:1/0?ssl_cert_reqs=none",
        ),
        ("redis://[::1]:7000?cluster=yes", [("::1", 7000)], True, "redis://[::1]:7000"),
    ],
)
def test_address_is_read(url: str, nodes: list[tuple[str, int]], cluster: bool, first: str) -> None:
    """A URL names one server or those of a cluster, and each server has a URL with the same credentials."""
    address = Address.parse(url)
    assert (list(address.nodes), address.cluster, address.url(address.nodes[0])) == (nodes, cluster, first)


@pytest.mark.parametrize(
    ("url", "said"), [("http://store", "redis:// or rediss://"), ("redis://a,b", "add .cluster=true")]
)
def test_bad_address_is_refused(url: str, said: str) -> None:
    """A URL of something else, or of several servers that form no cluster, is refused with a sentence."""
    with pytest.raises(ValueError, match=said):
        Address.parse(url)


def test_cluster_is_refused_where_one_server_is_meant() -> None:
    """A pool of one server is not opened on a cluster's address."""
    with pytest.raises(ValueError, match="not on a cluster"):
        connect("redis://a,b?cluster=true")


class _Call:
    """A call with some time left."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds

    def time_remaining(self) -> float | None:
        return self._seconds


@pytest.mark.parametrize(("seconds", "left"), [(None, 2000), (1000.0, 1000), (5000.0, 2000), (-1.0, 0)])
def test_waiting_ends_with_the_call(seconds: float | None, left: float) -> None:
    """A call that ends sooner than the limit cuts it, one that is over leaves nothing, one without an end all."""

    def ask() -> float:
        bind(_Call(seconds))
        return left_of_call(at_most=timedelta(seconds=2000))

    assert copy_context().run(ask) == pytest.approx(left, abs=60)
