"""One host by hand, and the frames of its link as the tests write and read them."""

from typing import Any

from netcore.engine import Engine
from netcore.wire import decode

HOST = bytes([10, 0, 0, 1])
PEER = bytes([10, 0, 0, 2])
OTHER = bytes([10, 0, 0, 3])
GATEWAY = bytes([10, 0, 0, 254])
FAR = bytes([192, 0, 2, 7])

HOST_MAC = bytes.fromhex("020000000001")
PEER_MAC = bytes.fromhex("020000000002")
OTHER_MAC = bytes.fromhex("020000000003")
ALL = bytes([255] * 6)
MULTICAST_MAC = bytes.fromhex("01005e000001")

IPV4, ARP = 0x800, 0x806
REQUEST, REPLY = 1, 2
ICMP, TCP, UDP = 1, 6, 17
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MILLISECOND, SECOND = 1_000_000, 1_000_000_000


def dotted(address: bytes) -> str:
    return ".".join(map(str, address))


class Wire:
    """An engine at HOST and the other end of its link."""

    def __init__(self, **arguments: Any) -> None:
        settings: dict[str, Any] = {"address": dotted(HOST), "prefix": 24, "mac": HOST_MAC, "seed": bytes(range(16))}
        self.engine = Engine(**settings | arguments)
        self.ethernet = arguments.get("ethernet", True)
        self.vnet = arguments.get("vnet_header", False)
        self.now = SECOND
        self.engine.advance(self.now)

    # ---- to the host

    def put(self, frame: bytes, vnet: bytes = bytes(10)) -> None:
        """A frame arrives."""
        self.engine.frame_arrives((vnet if self.vnet else b"") + frame, self.now)

    def put_ipv4(self, packet: bytes, *, destination: bytes = HOST_MAC, source: bytes = PEER_MAC) -> None:
        """A packet arrives, in a frame if the link has them."""
        self.put(decode.build_ethernet(destination, source, IPV4, packet) if self.ethernet else packet)

    def put_arp(
        self, operation: int, sender_mac: bytes, sender: bytes, target: bytes, *, to: bytes = HOST_MAC,
        target_mac: bytes = bytes(6),
    ) -> None:  # fmt: skip
        """An ARP packet arrives."""
        packet = decode.build_arp(operation, sender_mac, sender, target_mac, target)
        self.put(decode.build_ethernet(to, sender_mac, ARP, packet))

    def meet(self, address: bytes = PEER, mac: bytes = PEER_MAC) -> None:
        """Makes a neighbor known; what the host says to that is thrown away."""
        self.put_arp(REQUEST, mac, address, HOST)
        self.take()

    def ping(self, source: bytes = PEER, payload: bytes = b"ping", **frame: bytes) -> None:
        """An echo request arrives."""
        self.put_ipv4(decode.build_ipv4(source, HOST, ICMP, decode.build_icmp(8, 0, b"abcd", payload)), **frame)

    def put_segment(
        self, port: int, flags: int, *, source: bytes = PEER, source_port: int = 999, seq: int = 0, ack: int = 0,
        text: bytes = b"",
    ) -> None:  # fmt: skip
        """A TCP segment arrives."""
        segment = decode.build_tcp(source_port, port, seq, ack, flags, 65535, text, addresses=(source, HOST))
        self.put_ipv4(decode.build_ipv4(source, HOST, TCP, segment))

    # ---- from the host

    def pass_time(self, duration: int) -> None:
        """Lets `duration` ns pass."""
        self.now += duration
        self.engine.advance(self.now)

    def take(self) -> list[bytes]:
        """Every frame that the host has sent, without virtio header."""
        return [frame[10 if self.vnet else 0 :] for frame in self.engine.frames_to_send()]

    def take_arp(self) -> list[tuple[bytes, "decode.ArpFields"]]:
        """The ARP packets among the frames, each with the link address it was sent to; others are an error."""
        found = []
        for frame in self.take():
            ethernet = decode.parse_ethernet(frame)
            assert ethernet is not None
            assert ethernet["ethertype"] == ARP, frame.hex()
            packet = decode.parse_arp(ethernet["payload"])
            assert packet is not None
            assert ethernet["source"] == packet["sender_mac"] == HOST_MAC
            assert packet["sender_address"] == HOST
            found.append((ethernet["destination"], packet))
        return found

    def take_ipv4(self) -> list["decode.Ipv4Fields"]:
        """The IPv4 packets among the frames; others are left out."""
        found = []
        for frame in self.take():
            packet = frame
            if self.ethernet:
                ethernet = decode.parse_ethernet(frame)
                assert ethernet is not None
                if ethernet["ethertype"] != IPV4:
                    continue
                packet = ethernet["payload"]
            header = decode.parse_ipv4(packet)
            assert header is not None, packet.hex()
            found.append(header)
        return found

    def count(self, name: str) -> int:
        """A counter of the host."""
        return self.engine.counters()[name]
