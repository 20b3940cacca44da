"""The drivers under virtual time."""

import pytest

from stack.assembly import make_engine
from stack.driving import SECOND, HandDriver, NothingScheduled
from stack.wsp import constants as ws
from tests.wsp.crafted import CraftedPeer
from tests.wsp.hosts import LEFT, RIGHT, Caller, TwoHosts, make_config, two_hosts


def test_wait_without_deadline_and_events_raises() -> None:
    driver = HandDriver(make_engine(make_config(LEFT)))
    with pytest.raises(NothingScheduled, match="nothing is scheduled"):
        driver.wait((), None)


def test_wait_with_a_deadline_moves_time_there() -> None:
    driver = HandDriver(make_engine(make_config(LEFT)))
    assert driver.wait((), 7 * SECOND) is False
    assert driver.now() == 7 * SECOND


def test_wake_ends_a_wait() -> None:
    driver = HandDriver(make_engine(make_config(LEFT)))
    driver.at(SECOND, driver.wake)
    assert driver.wait((), None) is True
    assert driver.now() == SECOND


def test_actions_of_one_time_happen_in_the_order_of_their_entry() -> None:
    driver = HandDriver(make_engine(make_config(LEFT)))
    done: list[int] = []
    for number in range(5):
        driver.at(SECOND, lambda number=number: done.append(number))
    driver.at(SECOND // 2, lambda: done.append(-1))
    driver.run_until(SECOND)
    assert done == [-1, 0, 1, 2, 3, 4]


def test_wait_that_events_never_end_raises_after_the_driver_s_patience() -> None:
    hosts = two_hosts(patience=600 * SECOND)
    left, _ = hosts.connection()
    hosts.stall(left)
    with pytest.raises(NothingScheduled, match="600 virtual seconds"):
        hosts.left.send(left, b"x")  # the closed window is probed for ever


def test_responder_answers_each_frame_that_is_sent() -> None:
    peer = CraftedPeer()
    seen: list[bytes] = []

    def respond(frame: bytes) -> list[bytes]:
        seen.append(frame)
        return []

    peer.driver.respond(respond)
    s = peer.host.nonblocking(peer.host.tcp())
    peer.host.connect_code(s, 80, "10.0.0.7")
    assert [frame for _, frame in peer.driver.take_sent()] == seen != []


def test_host_reaches_another_by_hand_with_addresses_resolved() -> None:
    drivers = [HandDriver(make_engine(make_config(address))) for address in (LEFT, RIGHT)]
    left, right = (Caller(driver, make_config(address)) for driver, address in zip(drivers, (LEFT, RIGHT), strict=True))

    def carry(there: HandDriver, back: HandDriver) -> None:
        def respond(frame: bytes) -> list[bytes]:
            there.engine.frame_arrives(frame, max(there.now(), back.now()))
            return [answer for _, answer in there.take_sent()]

        back.respond(respond)

    carry(drivers[1], drivers[0])
    listener = right.listening(80)
    s = left.tcp()
    assert left.connect_code(s, 80, RIGHT) == 0
    left.send(s, b"by hand")
    drivers[0].run(SECOND)
    assert right.receive(right.accept(listener)) == b"by hand"


def test_same_seed_gives_the_same_run() -> None:
    def record(seed: str) -> list[tuple[int, str, bytes]]:
        hosts: TwoHosts = two_hosts(left={"seed": seed.encode() * 16})
        hosts.driver.pair.record()
        left, right = hosts.connection()
        hosts.left.send(left, bytes(100_000))
        hosts.right.receive_all(right, 100_000)
        hosts.left.close(left)
        hosts.run()
        return hosts.driver.pair.recorded()

    assert record("a") == record("a")
    assert record("a") != record("b")


@pytest.mark.requirement("GEN-7")
def test_nested_waits_of_scheduled_calls_all_end(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80)
    received: list[bytes] = []

    def serve() -> None:
        s = hosts.right.accept(listener)
        received.append(hosts.right.receive(s))
        hosts.right.send(s, b"answer")
        hosts.right.close(s)

    hosts.driver.after(SECOND, serve)
    s = hosts.left.tcp()
    assert hosts.left.connect_code(s, 80, RIGHT) == 0
    hosts.left.send(s, b"question")
    assert hosts.left.receive(s) == b"answer"
    assert hosts.left.receive(s) == b""
    assert received == [b"question"]
    assert hosts.left.code("WSPShutdown", s, ws.SD_SEND) == 0
