"""The circuit of a host, on a clock of the test's own."""

from __future__ import annotations

from clocks import Clock

from miyabi_github_gateway.service.circuit import FIRST_OPEN_SECONDS, LONGEST_OPEN_SECONDS, OPENS_AFTER, Circuit


def opened() -> tuple[Circuit, Clock]:
    """Return a circuit that has just opened, without jitter."""
    clock = Clock()
    circuit = Circuit(clock=clock, jitter=lambda: 1.0)
    for _ in range(OPENS_AFTER):
        circuit.failed(object())
    return circuit, clock


def test_failures_in_a_row_open_it() -> None:
    """One less does not, and an answer between them begins anew."""
    circuit = Circuit()
    for _ in range(OPENS_AFTER - 1):
        circuit.failed(object())
    assert (circuit.is_open, circuit.wait(object())) == (False, 0.0)
    circuit.succeeded()
    circuit.failed(object())
    assert not circuit.is_open


def test_open_one_lets_one_probe_through_after_its_time() -> None:
    """Until then nobody passes; then one does, the others wait for its end, and its answer closes the circuit."""
    circuit, clock = opened()
    assert circuit.wait(object()) == FIRST_OPEN_SECONDS
    clock.now += FIRST_OPEN_SECONDS
    probe = object()
    assert (circuit.wait(probe), circuit.wait(object()) > 0) == (0.0, True)
    circuit.succeeded()
    assert (circuit.is_open, circuit.wait(object())) == (False, 0.0)


def test_failed_probe_doubles_the_time_up_to_a_bound() -> None:
    """2, 4, 8 … seconds, and never more than a minute."""
    circuit, clock = opened()
    times = []
    for _ in range(8):
        times.append(circuit.wait(object()))
        clock.now += times[-1]
        probe = object()
        assert circuit.wait(probe) == 0.0
        circuit.failed(probe)
    assert times == [2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_OPEN_SECONDS, LONGEST_OPEN_SECONDS, LONGEST_OPEN_SECONDS]


def test_ends_of_older_requests_are_not_the_probes() -> None:
    """Requests that were under way when it opened neither lengthen its time nor let a second probe through."""
    circuit, clock = opened()
    clock.now += FIRST_OPEN_SECONDS
    probe = object()
    assert circuit.wait(probe) == 0.0
    circuit.failed(object())
    circuit.undecided(object())
    assert (circuit.until <= clock.now, circuit.wait(object()) > 0) == (True, True)
    circuit.undecided(probe)
    assert circuit.wait(object()) == 0.0


def test_jitter_shortens_the_time_to_half_at_most() -> None:
    """Replicas do not probe in step."""
    clock = Clock()
    circuit = Circuit(clock=clock, jitter=lambda: 0.0)
    for _ in range(OPENS_AFTER):
        circuit.failed(object())
    assert circuit.wait(object()) == FIRST_OPEN_SECONDS / 2
