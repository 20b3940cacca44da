"""Connections whose ends are played by the core."""

from collections.abc import Mapping
from typing import Any, final

from netcore.endpoint import Endpoint
from netcore.engine import Engine
from netcore.topology import Topology

@final
class Application:
    """One end of a connection played by the core: it writes a pattern, reads and verifies the other end's. From
    Simulator.flow and Simulator.play; see there for its habits."""

    @property
    def engine(self) -> Engine: ...
    @property
    def sent(self) -> int:
        """Bytes of the pattern taken by the connection."""
    @property
    def received(self) -> int:
        """Bytes received, all of them equal to the pattern (else the run stopped with Violation)."""
    @property
    def ended(self) -> bool:
        """It has received the end of the other's stream."""
    @property
    def done(self) -> bool:
        """It has sent and received all, or has failed, and has let go of the connection."""
    @property
    def status(self) -> int:
        """OK, or the terminal status with which the connection failed (netcore.endpoint)."""
    @property
    def connected_at(self) -> int:
        """Time (ns) of the handshake's end as this end saw it; 0: not yet."""
    @property
    def first_byte_at(self) -> int: ...
    @property
    def ended_at(self) -> int:
        """Time (ns) when the end of the other's stream was read; 0: not yet."""
    @property
    def done_at(self) -> int: ...
    def info(self) -> dict[str, int]:
        """Endpoint.info of its connection as it is, or as it was when it let go of it."""

@final
class Flow:
    """Both ends of one connection played by the core. From Simulator.flow."""

    @property
    def client(self) -> Application: ...
    @property
    def server(self) -> Application: ...
    @property
    def done(self) -> bool: ...
    @property
    def goodput(self) -> int:
        """Bits per second of both streams, from the flow's start to the later `ended_at`; 0 while it is not over."""

class Flows(Topology):
    """A topology on which connections are played. Simulator is one."""

    def flow(
        self,
        client: Engine,
        server: Engine,
        *,
        send: int = 0,
        reply: int = 0,
        port: int = 80,
        start: int = 0,
        backlog: int = 65536,
        together: bool = False,
        client_habits: Mapping[str, Any] | None = None,
        server_habits: Mapping[str, Any] | None = None,
    ) -> Flow:
        """A connection from `client` to `server`, opened at `start` (ns, absolute), on which `send` bytes go up and
        `reply` bytes come down at the same time. The listener on `port` is made with the first flow to it, and
        has this flow's `backlog`. together: there is no listener, but `server` opens the same connection from `port` at
        the same time (RFC 9293 3.5, simultaneous open); nothing may listen there.

        Habits (each end's own):
        write_size: bytes given to the connection in one call (1 to 65,536; 65,536).
        burst, think: after every `burst` bytes it waits `think` ns; 0: never.
        wait: bytes it wants to have received before it sends the first (a reply after a request); 0.
        read_size, read_pause: most bytes of one read, and ns between two reads; 0: all there is, at once.
        stall_after, stall: once it has read `stall_after` bytes it reads nothing for `stall` ns (zero window).
        end: what it does after its last byte: "shut" its direction and close after the other's end (the default),
            "close" at once (its peer must not send), "abort" (RST), "wait" (for the other's end, then close).
        nodelay: 1 turns off Nagle's algorithm. send_buffer, receive_buffer: bytes; 0: the host's tunables.
        """
    def play(
        self, endpoint: Endpoint, *, send: int = 0, expect: int = 0, stream: int = 0, **habits: Any
    ) -> Application:
        """Hands an endpoint (connecting, connected or accepted) to an application in the core; the handle is closed.

        It sends `send` bytes of the pattern of stream number 2 * stream and expects `expect` bytes of 2 * stream + 1
        when it connected, the other way round when it was accepted: two ends with the same `stream` fit together.
        """
