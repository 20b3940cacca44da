"""The loop on a descriptor that is one end of a pair of packet sockets, and impairments at that device."""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from netcore.endpoint import Endpoint
from netcore.engine import Engine
from netcore.impair import Impairment
from netcore.listener import Listener
from netcore.loop import Loop
from netcore.wire import decode
from tests.link.wire import HOST, HOST_MAC, ICMP, IPV4, PEER, PEER_MAC, SYN, TCP, dotted

PATIENCE = 20.0  # seconds until a test that waits for something gives up


class Device:
    """A live host, and the other end of its device."""

    def __init__(self, *, vnet: bool = False, **impairments: Impairment) -> None:
        ours, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self.far.settimeout(PATIENCE)
        self.ours = ours
        self.vnet = vnet
        self.engine = Engine(
            address=dotted(HOST), prefix=24, mac=HOST_MAC, seed=bytes(16), vnet_header=vnet, offloads=vnet
        )
        self.loop = Loop(self.engine, ours.fileno(), **impairments)
        self.failure: Exception | None = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        try:
            self.loop.run()
        except OSError as error:
            self.failure = error

    def put(self, packet: bytes, kind: int = IPV4, vnet: bytes = bytes(10)) -> None:
        self.far.send((vnet if self.vnet else b"") + decode.build_ethernet(HOST_MAC, PEER_MAC, kind, packet))

    def take(self) -> bytes:
        """The next frame that is no ARP, without virtio header."""
        while True:
            frame = self.far.recv(70000)[10 if self.vnet else 0 :]
            if frame[12:14] != b"\x08\x06":
                return frame

    def answers(self, payload: bytes) -> bool:
        """Takes all frames that are there; True when the answer to an echo with this payload is among them."""
        frames = []
        while select.select([self.far], [], [], 0)[0]:
            frames.append(self.far.recv(70000))
        if any(frame.endswith(payload) for frame in frames):
            return True
        self.put(echo(payload))
        return False

    def meet(self) -> None:
        self.put(decode.build_arp(1, PEER_MAC, PEER, bytes(6), HOST), 0x806)
        frame = self.far.recv(70000)[10 if self.vnet else 0 :]
        assert frame[12:14] == b"\x08\x06"

    def stop(self) -> None:
        self.loop.stop()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "the loop did not stop"
        self.far.close()
        self.ours.close()


@contextlib.contextmanager
def device(*, vnet: bool = False, **impairments: Impairment) -> Iterator[Device]:
    """A live host that knows PEER; it is stopped in any case."""
    found = Device(vnet=vnet, **impairments)
    try:
        found.meet()
        yield found
    finally:
        found.stop()


def wait_for(holds: object) -> None:
    """Waits until a condition holds."""
    assert callable(holds)
    limit = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < limit, "the condition never held"
        time.sleep(0.001)


def echo(payload: bytes) -> bytes:
    return decode.build_ipv4(PEER, HOST, ICMP, decode.build_icmp(8, 0, b"abcd", payload))


@pytest.mark.parametrize("vnet", [False, True])
def test_live_host_answers(vnet: bool) -> None:
    with device(vnet=vnet) as host:
        host.put(echo(b"live"))
        assert host.take().endswith(b"live")
        assert host.loop.counters()["reads"] >= 2


def test_loop_ends_with_an_error_when_the_other_end_of_its_socket_is_closed() -> None:
    with device() as host:
        host.far.close()
        host.thread.join(PATIENCE)
        assert not host.thread.is_alive()
        assert "device is gone" in str(host.failure)


def test_second_loop_on_one_engine_is_refused() -> None:
    with device() as host, pytest.raises(ValueError, match="this engine has a loop already"):
        Loop(host.engine, -1)


def test_loop_wants_an_impairment_for_each_direction() -> None:
    engine = Engine(address="10.0.0.1", prefix=24, seed=bytes(16))
    link = Impairment(seed=1)
    with pytest.raises(ValueError, match="each direction needs an Impairment of its own"):
        Loop(engine, -1, inbound=link, outbound=link)


def test_live_host_without_a_device_keeps_no_frames() -> None:
    engine = Engine(address=dotted(HOST), prefix=24, seed=bytes(16))
    loop = Loop(engine, -1)
    for port in range(1000, 1050):
        engine.connect(port, (PEER, 80))
    assert engine.usage()["frames"] == 0
    assert engine.counters()["OutDiscards"] > 0
    del loop
    engine.abort_all()
    assert engine.usage()["frames"] == 0


@pytest.mark.requirement("SEG-14")
def test_inbound_superframe_is_cut_and_completed_before_it_enters() -> None:
    with device(vnet=True, inbound=Impairment(seed=1)) as host:
        listener = host.engine.listen(None, 80, 5)
        assert isinstance(listener, Listener)
        syn = decode.build_tcp(999, 80, 100, 0, SYN, 65535, addresses=(PEER, HOST))
        host.put(decode.build_ipv4(PEER, HOST, TCP, syn))
        answer = decode.parse_tcp(host.take()[34:])
        assert answer is not None
        text = bytes(number % 253 for number in range(5000))
        segment = bytearray(decode.build_tcp(999, 80, 101, answer["seq"] + 1, 16, 65535, text))
        segment[16:18] = decode.partial_checksum(PEER, HOST, TCP, len(segment)).to_bytes(2, "big")
        header = decode.build_vnet(flags=1, gso_type=1, hdr_len=54, gso_size=1000, csum_start=34, csum_offset=16)
        host.put(decode.build_ipv4(PEER, HOST, TCP, segment), vnet=header)
        found: list[Endpoint] = []

        def accepted() -> bool:
            endpoint = listener.accept()
            if isinstance(endpoint, Endpoint):
                found.append(endpoint)
            return bool(found)

        wait_for(accepted)
        wait_for(lambda: found[0].readable_bytes == len(text))
        buffer = bytearray(len(text))
        assert found[0].receive_into(buffer) == len(text)
        assert buffer == text
        counters = host.engine.counters()
        assert (counters["InCsumErrors"], counters["InErrs"]) == (0, 0)
        # five of the wire, none of them the whole
        assert counters["FramesIn"] >= 7


@pytest.mark.requirement("SEG-14")
def test_inbound_superframe_without_text_is_one_frame() -> None:
    with device(vnet=True, inbound=Impairment(seed=1)) as host:
        syn = decode.build_tcp(999, 80, 100, 0, SYN, 65535, addresses=(PEER, HOST))
        header = decode.build_vnet(gso_type=1, hdr_len=54, gso_size=1448)
        host.put(decode.build_ipv4(PEER, HOST, TCP, syn), vnet=header)
        answer = decode.parse_tcp(host.take()[34:])
        assert answer is not None
        assert answer["flags"] == 0x14


@pytest.mark.requirement("SEG-14", "LIM-4")
def test_frames_of_any_kind_pass_an_inbound_impairment_unharmed() -> None:
    with device(vnet=True, inbound=Impairment(seed=1, duplicate=100_000, corrupt=100_000)) as host:
        good = decode.build_ipv4(PEER, HOST, TCP, decode.build_tcp(1, 2, 3, 4, 16, 5, bytes(3000)))
        for kind in (0, 1, 3, 4, 0x81, 255):
            for size in (0, 1, 7, 1448, 65535):
                for start in (0, 34, 65535):
                    header = decode.build_vnet(
                        flags=1, gso_type=kind, gso_size=size, csum_start=start, csum_offset=start
                    )
                    for packet in (good, good[:200], good[:33], b"", b"\x45" * 40):
                        host.put(packet, vnet=header)
        # answers that nobody took are lost when the socket is full, as on any link: so it is asked until one comes
        wait_for(lambda: host.answers(b"last"))
        assert host.engine.counters()["IllegalTransitions"] == 0


def test_outbound_impairment_completes_and_drops() -> None:
    outbound = Impairment(seed=1, loss=500_000)
    with device(vnet=True, outbound=outbound) as host:
        for number in range(100):
            host.put(echo(number.to_bytes(4, "big")))
        wait_for(lambda: outbound.counters()["seen"] >= 100)
        counters = outbound.counters()
        assert 20 < counters["lost"] < 80
        assert counters["passed"] + counters["lost"] == counters["seen"]


def test_closed_loop_gives_its_descriptor_back_and_runs_no_more() -> None:
    before = len(os.listdir("/proc/self/fd"))
    loop = Loop(Engine(address="10.0.0.1", prefix=24, seed=bytes(16)), -1)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    loop.close()
    loop.close()
    assert len(os.listdir("/proc/self/fd")) == before
    loop.stop()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run()
