"""One engine driven by hand under virtual time, and a peer on its link that does exactly what the test says."""

from collections.abc import Sequence
from typing import Any

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether

from netcore.endpoint import Endpoint, status_name
from netcore.engine import Engine, state_name
from netcore.listener import Listener
from netcore.service import Service
from tests.tcp.segments import MODULUS, VNET_LENGTH, Segment, VnetHeader, Wanted, read_segment, wanted

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND

OUR_ADDRESS = "10.0.0.1"
PEER_ADDRESS = "10.0.0.2"
PEER_MAC = "02:00:00:00:00:02"
SEED = b"sixteen octets.."
OUR_PORT = 80
PEER_PORT = 40000
PEER_ISS = 0xFFFFF000
START = 10 * SECOND


def packed(address: str) -> bytes:
    """The four octets of an address."""
    return bytes(int(part) for part in address.split("."))


class Host:
    """An engine and what the link brings and takes. Bare IP packets unless `ethernet`.

    Arguments other than `ethernet`, `vnet_header`, `offloads`, `mtu`, `seed` and `start` are the core's tunables.
    """

    def __init__(self, *, seed: bytes = SEED, start: int = START, ethernet: bool = False, **arguments: Any) -> None:
        self.ethernet = ethernet
        self.vnet_header = arguments.get("vnet_header", False)
        self.engine = Engine(address=OUR_ADDRESS, prefix=24, seed=seed, ethernet=ethernet, **arguments)
        self.now = start
        self.engine.advance(start)
        self.waiting: list[tuple[bytes, VnetHeader | None]] = []
        self.endpoints: list[Endpoint] = []
        self.listeners: list[Listener] = []
        self.services: list[Service] = []
        if ethernet:
            self.inject(
                Ether(dst="ff:ff:ff:ff:ff:ff", src=PEER_MAC)
                / ARP(op=1, hwsrc=PEER_MAC, psrc=PEER_ADDRESS, pdst=OUR_ADDRESS),
                link=False,
            )
            assert len(self.engine.frames_to_send()) == 1, "the ARP request was not answered"

    # ---- the link

    def inject(self, packet: Any, vnet: VnetHeader | None = None, *, link: bool = True) -> None:
        """Hands the engine a frame; an IP packet gets the link's header unless `link` is False."""
        self.engine.frame_arrives(self.framed(packet, vnet, link=link), self.now)

    def inject_together(self, *packets: Any) -> None:
        """Hands the engine frames that a device had all at once: it answers when it has seen all of them."""
        self.engine.frames_arrive([self.framed(packet) for packet in packets], self.now)

    def framed(self, packet: Any, vnet: VnetHeader | None = None, *, link: bool = True) -> bytes:
        """The octets of a frame that carries the packet, with what the link and the device put before it."""
        octets = bytes(packet)
        if self.ethernet and link:
            octets = bytes(Ether(dst=self.mac, src=PEER_MAC, type=0x0800)) + octets
        if self.vnet_header:
            octets = (vnet or VnetHeader()).build() + octets
        return octets

    @property
    def mac(self) -> str:
        return self.engine.mac.hex(":")

    def collect(self) -> None:
        """Moves what the engine has sent to `waiting`."""
        for frame in self.engine.frames_to_send():
            vnet = None
            octets = frame
            if self.vnet_header:
                vnet = VnetHeader.parse(octets)
                octets = octets[VNET_LENGTH:]
            if self.ethernet:
                octets = octets[14:]
            self.waiting.append((octets, vnet))

    def take_packets(self) -> list[tuple[bytes, VnetHeader | None]]:
        """All IP packets sent and not taken yet."""
        self.collect()
        taken, self.waiting = self.waiting, []
        return taken

    def expect_silence(self) -> None:
        """Nothing at all is waiting to leave."""
        found = self.take_packets()
        assert not found, "unexpected: " + "; ".join(IP(octets).summary() for octets, _ in found)

    # ---- time

    def advance(self, duration: int) -> None:
        """Lets `duration` ns pass; time-outs run at their own times."""
        self.now += duration
        self.engine.advance(self.now)

    def until_deadline(self) -> int:
        """How many ns it is to the next time-out."""
        due = self.engine.next_deadline()
        assert due is not None, "no time-out is armed"
        return due - self.now

    # ---- calls

    def listen(self, port: int = OUR_PORT, backlog: int = 16) -> Listener:
        """A listener on every address."""
        listener = self.engine.listen(None, port, backlog)
        assert isinstance(listener, Listener), status_name(listener)
        self.listeners.append(listener)
        return listener

    def serve(self, kind: str, port: int = OUR_PORT, backlog: int = 16, **arguments: Any) -> Service:
        """A server inside the core on every address."""
        service = self.engine.serve(kind, None, port, backlog, **arguments)
        assert isinstance(service, Service), status_name(service)
        self.services.append(service)
        return service

    def connect(self, port: int, peer_port: int) -> Endpoint:
        """An active open to the peer."""
        endpoint = self.engine.connect(port, (packed(PEER_ADDRESS), peer_port))
        assert isinstance(endpoint, Endpoint), status_name(endpoint)
        self.endpoints.append(endpoint)
        return endpoint

    def accept(self, listener: Listener) -> Endpoint:
        """The oldest finished connection."""
        endpoint = listener.accept()
        assert isinstance(endpoint, Endpoint), status_name(endpoint)
        self.endpoints.append(endpoint)
        return endpoint

    def counter(self, name: str) -> int:
        return self.engine.counters()[name]

    def finish(self) -> None:
        """Ends everything and checks that nothing is left and that no illegal transition was tried."""
        for endpoint in self.endpoints:
            endpoint.abort()
        for listener in self.listeners:
            listener.close()
        for service in self.services:
            service.close()
        self.advance(3600 * SECOND)
        self.engine.frames_to_send()
        self.engine.events()
        usage = self.engine.usage()
        left = {name: count for name, count in usage.items() if count and name != "neighbors"}
        assert not left, f"left over: {left}"
        assert self.engine.next_deadline() is None, "a time-out is armed though nothing is left"
        assert self.counter("IllegalTransitions") == 0


class Peer:
    """The scripted end of one connection. Numbers are relative: ours and the engine's SYN are 0, first bytes 1.

    `seq` and `ack` of what is sent default to what an honest peer would put there: the next unsent number, and the
    end of what has come in order. scale: the shift of our window field, when the SYN offered one. sack: the SYN permits
    SACK.
    """

    def __init__(
        self,
        host: Host,
        *,
        port: int = PEER_PORT,
        our_port: int = OUR_PORT,
        iss: int = PEER_ISS,
        address: str = PEER_ADDRESS,
        mss: int | None = 1460,
        scale: int | None = None,
        timestamps: bool = False,
        sack: bool = False,
        window: int = 65535,
        tsval: int = 5000,
    ) -> None:
        self.host = host
        self.port = port
        self.our_port = our_port
        self.iss = iss
        self.address = address
        self.mss = mss
        self.scale = scale
        self.timestamps = timestamps
        self.sack = sack
        self.window = window
        self.tsval = tsval
        self.tsecr = 0
        self.seq = 0
        self.ack = 0
        self.base: int | None = None

    # ---- sending

    def syn_options(self) -> list[Any]:
        """What this peer's SYN carries."""
        options: list[Any] = [] if self.mss is None else [("MSS", self.mss)]
        if self.scale is not None:
            options += [("NOP", None), ("WScale", self.scale)]
        if self.sack:
            options += [("NOP", None), ("NOP", None), ("SAckOK", b"")]
        if self.timestamps:
            options += [("NOP", None), ("NOP", None), ("Timestamp", (self.tsval, self.tsecr))]
        return options

    def segment(
        self,
        flags: str,
        seq: int | None = None,
        ack: int | None = None,
        text: bytes = b"",
        window: int | None = None,
        options: list[Any] | None = None,
        blocks: Sequence[tuple[int, int]] = (),
        *,
        tos: int = 0,
        **fields: Any,
    ) -> IP:
        """An IP packet as scapy has it; further fields are those of scapy's TCP. `window` is the field on the wire.

        blocks: start and end of each SACK block (RFC 2018), in our numbers.
        tos: the octet of the IP header whose low two bits are the ECN field.
        """
        if options is None:
            if "S" in flags:
                options = self.syn_options()
            elif self.timestamps and "R" not in flags:
                options = [("NOP", None), ("NOP", None), ("Timestamp", (self.tsval, self.tsecr))]
            else:
                options = []
        if blocks:
            edges = tuple(((self.base or 0) + edge) % MODULUS for block in blocks for edge in block)
            options = [*options, ("NOP", None), ("NOP", None), ("SAck", edges)]
        seq = self.seq if seq is None else seq
        ack = self.ack if ack is None else ack
        return (
            IP(src=self.address, dst=OUR_ADDRESS, tos=tos)
            / TCP(
                sport=self.port,
                dport=self.our_port,
                flags=flags,
                seq=(self.iss + seq) % MODULUS,
                ack=((self.base or 0) + ack) % MODULUS if "A" in flags else 0,
                window=self.window if window is None else window,
                options=options,
                **fields,
            )
            / text
        )

    def send(
        self, flags: str, seq: int | None = None, ack: int | None = None, text: bytes = b"", **fields: Any
    ) -> None:
        """Sends one segment; what it occupies of our sequence space counts as sent when it is the next."""
        vnet = fields.pop("vnet", None)
        self.host.inject(self.segment(flags, seq, ack, text, **fields), vnet)
        start = self.seq if seq is None else seq
        if start == self.seq:
            self.seq = start + len(text) + ("S" in flags) + ("F" in flags)

    # ---- receiving

    def take(self) -> list[Segment]:
        """All segments sent to this peer and not taken yet, oldest first; others stay where they are."""
        self.host.collect()
        mine: list[Segment] = []
        others = []
        for octets, vnet in self.host.waiting:
            ip = IP(octets)
            if TCP not in ip or (ip[TCP].sport, ip[TCP].dport, ip.dst) != (self.our_port, self.port, self.address):
                others.append((octets, vnet))
                continue
            if self.base is None and ip[TCP].flags.S:
                self.base = ip[TCP].seq
            mine.append(self.note(read_segment(octets, vnet, self.base or 0, self.iss)))
        self.host.waiting = others
        return mine

    def note(self, segment: Segment) -> Segment:
        """Keeps the acknowledgement and the timestamp to echo up to date."""
        size = len(segment.text) + ("S" in segment.flags) + ("F" in segment.flags)
        if "R" not in segment.flags and segment.seq <= self.ack < segment.seq + size:
            self.ack = segment.seq + size
        if "Timestamp" in segment.options:
            self.tsecr = segment.options["Timestamp"][0]
        return segment

    def expect(self, *expected: Wanted) -> list[Segment]:
        """Exactly these segments have been sent to this peer, and nothing else to anybody."""
        found = self.take()
        listing = "\n  ".join(str(segment) for segment in found) or "nothing"
        assert len(found) == len(expected), f"{len(expected)} segments expected, {len(found)} came:\n  {listing}"
        for number, (one, segment) in enumerate(zip(expected, found, strict=True)):
            wrong = one.mismatch(segment)
            assert not wrong, f"segment {number}: {wrong}\n  {listing}"
        self.host.expect_silence()
        return found

    def expect_nothing(self) -> None:
        """Nothing has been sent to anybody."""
        self.expect()

    # ---- handshakes

    def open_passively(self, listener: Listener | None = None) -> Endpoint:
        """The peer connects to the engine; the accepted connection."""
        listener = listener or (self.host.listeners[0] if self.host.listeners else self.host.listen(self.our_port))
        self.send("S")
        self.expect(wanted("SA", seq=0, ack=1))
        self.send("A")
        self.expect_nothing()
        return self.host.accept(listener)

    def open_actively(self) -> Endpoint:
        """The engine connects to the peer."""
        endpoint = self.host.connect(self.our_port, self.port)
        self.expect(wanted("S", seq=0))
        self.send("SA")
        self.expect(wanted("A", seq=1, ack=1))
        return endpoint


def state_of(endpoint: Endpoint) -> str:
    """The RFC 9293 name of the connection's state."""
    return state_name(endpoint.state)


def read_all(endpoint: Endpoint, most: int = 1 << 20) -> bytes:
    """What can be read now, in one call."""
    buffer = bytearray(most)
    count = endpoint.receive_into(buffer)
    return bytes(buffer[:count]) if count > 0 else b""
