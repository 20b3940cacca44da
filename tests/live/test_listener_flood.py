"""Every real client gets through a flood of spoofed SYNs (LISTEN-77); scripts/flood.py is the long form."""

import os

import pytest

from tests.live.listener_flood import BACKLOG, CLIENTS, clients_during_flood

pytestmark = pytest.mark.live

SECONDS = float(os.environ.get("WSPSTACK_FLOOD_SECONDS", 4))
GROWTH = 8 << 20  # bytes; a table of a second's SYNs would be far more
RATE = 20_000  # SYNs a second without protection


@pytest.mark.timeout(400)
@pytest.mark.requirement("LISTEN-75", "LISTEN-77", "LISTEN-78", "TCPX-3")
def test_every_client_is_served_while_spoofed_syns_pour_in() -> None:
    outcome = clients_during_flood(SECONDS)
    watch = outcome.watch
    print(
        f"{outcome.sent['sent'] / outcome.sent['seconds']:.0f} SYNs a second, {outcome.sent['dropped']} dropped; "
        f"{outcome.served} clients, none longer than {outcome.longest:.2f} s; {watch.grown >> 10} KiB more memory; "
        f"{watch.nanoseconds_per_frame:.0f} ns of the loop a frame"
    )
    assert outcome.failures == []
    assert outcome.served >= CLIENTS
    assert outcome.under_attack
    # what was left half-open from before, and the clients: of the flood nothing
    assert max(watch.connections) <= BACKLOG + CLIENTS
    assert watch.grown < GROWTH
    assert watch.counters["SyncookiesSent"] >= 0.9 * outcome.sent["sent"] - outcome.sent["dropped"]
    assert watch.counters["SyncookiesRecv"] >= outcome.served
    assert watch.counters["ListenOverflows"] == watch.counters["ReplyDrops"] == 0


@pytest.mark.timeout(400)
@pytest.mark.requirement("LISTEN-78", "LISTEN-50")
def test_without_protection_the_flood_keeps_clients_out() -> None:
    outcome = clients_during_flood(SECONDS, protection=False, rate=RATE)
    assert outcome.served == 0, "a queue full of half-open connections let somebody in"
    assert len(outcome.failures) >= CLIENTS
    assert all("ConnectionRefusedError" in failure for failure in outcome.failures), set(outcome.failures)
    assert outcome.watch.counters["SyncookiesSent"] == 0
    assert outcome.watch.counters["ListenOverflows"] > 0
    assert outcome.watch.grown < GROWTH
