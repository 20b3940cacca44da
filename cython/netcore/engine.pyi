"""Engine: one host of the stack for Python, driven by hand or by a loop."""

from collections.abc import Sequence
from typing import Any, Self, final

from typing_extensions import Buffer

from netcore.endpoint import Endpoint
from netcore.listener import Listener
from netcore.service import Service

@final
class Engine:
    """One TCP/IP host: frames, calls, time and random bits go in, frames and events come out.

    Without a loop attached the program is the driver: it hands in frames and the time, and takes frames away.

    address, prefix: the host's IPv4 address as text and the length of its prefix in bits.
    gateway: next hop for destinations off the link, as text; None: such destinations are unreachable.
    mac: six octets, needed when `ethernet`; None makes a locally administered one from the seed.
    mtu: largest IP packet on the link, in bytes (68 to 65535).
    ethernet: frames carry an Ethernet header (TAP); False: bare IP packets (TUN).
    vnet_header: every frame in and out begins with a 10-byte virtio-net header.
    offloads: superframes and partial checksums may be sent (needs vnet_header).
    congestion: the algorithm of new connections by name (REC-5, `congestion_names()`); None: the default, cubic.
    seed: secret of hashes and source of random bits; 16 bytes or more; from the operating system when live.
    tunables: fields of `netcore.tcp.tunables`, by name; times in ns, sizes in bytes.

    Raises ValueError naming the argument and its value.
    """

    def __new__(
        cls,
        *,
        address: str,
        prefix: int,
        seed: bytes,
        gateway: str | None = None,
        mac: bytes | None = None,
        mtu: int = 1500,
        ethernet: bool = True,
        vnet_header: bool = False,
        offloads: bool = False,
        congestion: str | None = None,
        **tunables: int,
    ) -> Self: ...
    @property
    def mac(self) -> bytes: ...
    @property
    def address(self) -> str: ...
    @property
    def mtu(self) -> int: ...
    @property
    def now(self) -> int:
        """The host's time in ns: the clock's when live, else the last one handed in."""
    # ---- driven by hand
    def frame_arrives(self, frame: Buffer, now: int) -> None:
        """One frame from the link (with virtio header if `vnet_header`); time-outs due by `now` run first."""
    def frames_arrive(self, frames: Sequence[Buffer], now: int) -> None:
        """Several frames that one look at the link brings: what they want sent leaves after the last (SND-4)."""
    def advance(self, now: int) -> None:
        """Lets time pass to `now` (ns) and runs every time-out due by then. Time never goes back: ValueError."""
    def next_deadline(self) -> int | None:
        """The time (ns) of the earliest time-out, None when nothing is armed."""
    def frames_to_send(self) -> list[bytes]:
        """Takes every frame that waits to leave, oldest first."""
    def events(self) -> list[tuple[Endpoint | Listener, int]]:
        """Takes what happened since the last call: (handle, readiness bits that came up)."""
    # ---- calls
    def connect(
        self,
        local_port: int,
        remote: tuple[bytes, int],
        *,
        local_address: bytes | None = None,
        syn_timing: tuple[int, int] | None = None,
        icmp_fails_connect: bool = False,
        user_timeout_option: int = 0,
        fast_open: bool = False,
        data: Buffer = b"",
    ) -> Endpoint | int:
        """Starts an active open (RFC 9293 3.10.1) and returns at once, in SYN-SENT.

        local_port must have been reserved or chosen; remote is (packed address, port in host order).
        syn_timing: first SYN time-out in ns and number of further SYNs (LISTEN-70); None: those of the tunables.
        icmp_fails_connect: an ICMP error ends the handshake with UNREACHABLE (OPT-49).
        user_timeout_option: ADV_UTO in ns, told with the SYN already (RFC 5482); 0: the option is off.
        fast_open: ask for a cookie, or use the one there is (TCPX-6, RFC 7413). data: the first bytes to send, taken
        before the SYN leaves; with a cookie they go with it, and a copy of that SYN may bring them to the peer's
        program twice (RFC 7413 2.1). ValueError: more of them than the send buffer takes.
        Returns a negative status: IN_USE (four-tuple taken), UNREACHABLE (no route), NO_BUFFERS.
        """
    def listen(
        self,
        address: bytes | None,
        port: int,
        backlog: int,
        *,
        rank: int = 0,
        conditional: bool = False,
        paused: bool = False,
        user_timeout_option: int = 0,
        fast_open: bool = False,
    ) -> Listener | int:
        """Makes a listener; address None: the wildcard. rank orders those of one address, lowest first (BIND-25).

        conditional, paused: as the properties of Listener, in force before the first SYN can come; fast_open too.
        user_timeout_option: ADV_UTO of its connections in ns (RFC 5482), 0: off.
        """
    def serve(
        self,
        kind: str,
        address: bytes | None,
        port: int,
        backlog: int,
        *,
        rank: int = 0,
        connections: int = 1_000_000,
    ) -> Service | int:
        """Makes a listener whose connections the core serves by itself; kind: one of service.service_kinds().

        address, rank: as listen takes them. connections: served at the same time; further ones wait in the backlog.
        Returns NO_BUFFERS when there is no memory. Raises ValueError for a kind, port or number that there is not.
        """
    def choose_port(self, low: int, high: int, taken: Sequence[int] | set[int] = ...) -> int:
        """A port of low..high (RFC 6056 algorithm 3's random start) that is not in `taken`; 0 when none is free."""
    def port_in_use(self, port: int) -> bool:
        """True when a connection (TIME-WAIT aside) or a listener has this local port."""
    def is_active(self, local: tuple[bytes, int], remote: tuple[bytes, int], irs: int | None = None) -> bool:
        """True while there is a connection of these two ends, TIME-WAIT aside (BIND-27).

        irs: the peer's initial sequence number, which tells it from a later connection of the same ends.
        """
    def connections_on(self, port: int) -> int:
        """Connections with this local port, orphans included, TIME-WAIT and listeners not (BIND-27)."""
    def local_addresses(self) -> list[bytes]:
        """Packed addresses of this host."""
    def source_address(self, destination: bytes) -> bytes | None:
        """The packed local address that packets to `destination` leave from; None: no route."""
    # ---- what can be seen
    def counters(self) -> dict[str, int]:
        """All counters under the kernel's names (InSegs, RetransSegs, ListenOverflows ...)."""
    def usage(self) -> dict[str, int]:
        """What is held now: connections, half_open, time_wait, listeners, orphans, undelivered
        (orphans with unacknowledged data or FIN, CLEAN-5), chunks (bytes outside the cache), frames, neighbors,
        path_searches (connections whose path takes less than they would), reassembling (datagrams, RFC 791)."""
    def start_capture(self, limit: int = 16777216) -> None:
        """Keeps a copy of every frame in and out, at most `limit` bytes not yet fetched."""
    def stop_capture(self) -> None: ...
    def captured(self) -> list[tuple[int, bool, bytes]]:
        """Takes the copies: (time in ns, True when outbound, frame without virtio header). Counter CaptureDrops."""
    def abort_all(self) -> int:
        """Resets every connection and listener (end of the stack); returns how many."""
    def is_live(self) -> bool: ...

def tunable_names() -> dict[str, int]:
    """Every tunable and its default."""

def congestion_names() -> list[str]:
    """The congestion control algorithms, the default one first (REC-5)."""

def state_name(state: int) -> str:
    """The RFC 9293 name of a state number."""

def transitions() -> list[tuple[str, str]]:
    """The table of legal transitions, as pairs of state names."""

def build_information() -> dict[str, Any]:
    """Compiler, sanitizer and directives this core was built with."""
