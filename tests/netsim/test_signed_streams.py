"""Signed streams between two hosts of ours arrive whole over any link (RFC 2385, RFC 5925, TCPX-7)."""

from collections.abc import Callable
from typing import Any

import pytest

from netcore.endpoint import Endpoint
from netcore.keyring import Keyring
from tests.netsim.test_streams import HOSTS, LINKS
from tests.netsim.transfers import LEFT, RIGHT, Transfer

pytestmark = pytest.mark.requirement("TCPX-7")

SECRET = b"of two hosts"
OFFLOADS = HOSTS["offloads"]
MODULUS = 1 << 32
ISS_TICK = 4_000  # ns: the clock of initial sequence numbers
BEFORE_WRAP = 20_000  # sequence numbers left
NEXT_ID = 9


def sign_md5(transfer: Transfer) -> None:
    """Both hosts have the other's key."""
    Keyring(transfer.client.engine).add_md5(RIGHT, SECRET)
    Keyring(transfer.server.engine).add_md5(LEFT, SECRET)


def sign_ao(algorithm: str, covered: bool = True) -> Callable[[Transfer], None]:
    """Both hosts have the other's master key tuples, an older and a newer; identifiers differ by direction."""

    def sign(transfer: Transfer) -> None:
        for side, peer, mine, theirs in ((transfer.client, RIGHT, 1, 2), (transfer.server, LEFT, 2, 1)):
            keys = Keyring(side.engine)
            for number in (0, NEXT_ID):
                keys.add_ao(
                    peer,
                    SECRET + bytes((number,)),
                    send_id=number + mine,
                    receive_id=number + theirs,
                    algorithm=algorithm,
                    cover_options=covered,
                )

    return sign


SIGNERS = {
    "md5": sign_md5,
    "sha1": sign_ao("hmac-sha-1-96"),
    "cmac": sign_ao("aes-128-cmac-96", covered=False),
}


def expect_no_failures(transfer: Transfer, *, corrupt: bool = False) -> None:
    """No segment was refused for its signature; what a link corrupts the checksum has found."""
    for side in (transfer.client, transfer.server):
        found = {
            name: count
            for name, count in side.engine.counters().items()
            if name.startswith(("TCPMD5", "TCPAO")) and name != "TCPAOGood" and count
        }
        assert not found or corrupt, found


@pytest.mark.parametrize("signer", SIGNERS)
@pytest.mark.parametrize("link", LINKS)
def test_signed_streams_both_ways_arrive_whole(link: str, signer: str) -> None:
    transfer = Transfer(1, link=LINKS[link], left=OFFLOADS, right=OFFLOADS)
    SIGNERS[signer](transfer)
    transfer.run()
    expect_no_failures(transfer, corrupt="corrupt" in LINKS[link])


@pytest.mark.parametrize("signer", SIGNERS)
@pytest.mark.parametrize("kind", ["bare", "jumbo", "tiny", "packets"])
def test_signed_streams_between_other_hosts_arrive_whole(kind: str, signer: str) -> None:
    size = 15_000 if kind == "tiny" else 60_000
    transfer = Transfer(2, sizes=(size, size), link=LINKS["loss"], left=HOSTS[kind], right=HOSTS[kind])
    SIGNERS[signer](transfer)
    transfer.run()
    expect_no_failures(transfer)


@pytest.mark.parametrize("link", ["clean", "loss", "reorder"])
def test_signed_numbers_wrap_on_a_link_that_loses_and_reorders(link: str) -> None:
    probe = Transfer(3, link=LINKS[link])
    probe.connect().close()
    assert isinstance(probe.client.endpoint, Endpoint)
    iss: int = probe.client.endpoint.info()["iss"]
    start = (MODULUS - iss - BEFORE_WRAP) % MODULUS * ISS_TICK
    transfer = Transfer(3, link=LINKS[link], start=start)
    SIGNERS["sha1"](transfer)
    transfer.run()
    assert isinstance(transfer.client.endpoint, Endpoint)
    expect_no_failures(transfer)


def when_received(side: Any, count: int, action: Callable[[], None]) -> None:
    """Carries out an action once a side has received so many bytes."""
    work, done = side.work, []

    def watch() -> bool:
        moved: bool = work()
        if not done and len(side.received) >= count:
            done.append(True)
            action()
        return moved

    side.work = watch


@pytest.mark.parametrize("algorithm", ["hmac-sha-1-96", "aes-128-cmac-96"])
@pytest.mark.parametrize("link", ["clean", "everything"])
def test_keys_roll_over_while_streams_flow(link: str, algorithm: str) -> None:
    transfer = Transfer(4, sizes=(600_000, 600_000), link=LINKS[link])
    sign_ao(algorithm)(transfer)
    client, server = Keyring(transfer.client.engine), Keyring(transfer.server.engine)
    used: list[tuple[int, int]] = []

    def note() -> None:
        current = [keys.in_use(side.endpoint) for keys, side in ((client, transfer.client), (server, transfer.server))]
        used.append(tuple(each["current"]["send_id"] for each in current if each))  # type: ignore[arg-type]

    when_received(transfer.client, 50_000, lambda: client.request(transfer.client.endpoint, NEXT_ID + 2))
    when_received(transfer.server, 100_000, lambda: server.request(transfer.server.endpoint, NEXT_ID + 1))
    when_received(transfer.client, 400_000, note)
    transfer.run()
    assert used == [(NEXT_ID + 1, NEXT_ID + 2)]
    expect_no_failures(transfer, corrupt="corrupt" in LINKS[link])


@pytest.mark.parametrize("signer", SIGNERS)
def test_hosts_with_different_secrets_do_not_connect(signer: str) -> None:
    transfer = Transfer(5)
    SIGNERS[signer](transfer)
    keys = Keyring(transfer.client.engine)
    for key in keys.list():
        keys.remove(key["number"])
        if key["algorithm"] == "md5":
            keys.add_md5(RIGHT, SECRET + b"!")
        else:
            identifiers = {name: key[name] for name in ("send_id", "receive_id", "algorithm", "cover_options")}
            keys.add_ao(RIGHT, SECRET + b"!", **identifiers)
    listener = transfer.connect()
    for _ in range(50):
        transfer.pair.step()
    failures = transfer.server.engine.counters()
    assert failures["TCPMD5Failure"] + failures["TCPAOBad"] > 1
    assert transfer.server.engine.usage()["connections"] == 0
    assert isinstance(transfer.client.endpoint, Endpoint)
    transfer.client.endpoint.abort()
    listener.close()
