"""The program on the victim of a fuzz input: every call that a program can make, by number."""

from collections.abc import Callable

from netcore.endpoint import Endpoint
from netcore.engine import Engine, congestion_names
from netcore.listener import Listener
from tests.hostile.cast import PUBLIC_PORTS, STRANGERS

HELD_MOST = 32
# the strangers of fuzz inputs; the last two are beyond the gateway
PEERS = STRANGERS[:14] + STRANGERS[-2:]
# those from this one on are not connected from but to
FIRST_SERVER = 12
SERVER_PORT = 80
ACTIVE_PORT = 20000


class Program:
    """Handles of listeners and of connections, and the calls on them."""

    def __init__(self, victim: Engine, backlog: int, conditional: bool) -> None:
        self.victim = victim
        self.backlog = backlog
        self.conditional = conditional
        self.listeners = [self.listen(place) for place in range(len(PUBLIC_PORTS))]
        self.held: list[Endpoint] = []
        self.calls: tuple[Callable[[int, int], object], ...] = (
            self.accept, self.send, self.receive, self.shutdown_send, self.shutdown_receive, self.close, self.abort,
            self.lose, self.set_buffer, self.set_option, self.connect, self.set_listener, self.decide, self.restart,
            self.look, self.accept,
        )  # fmt: skip

    def call(self, number: int, handle: int, amount: int) -> None:
        """Makes one call; handles are counted modulo those there are."""
        self.calls[number](handle, amount)

    def listen(self, place: int) -> Listener:
        """A listener on one of the public ports; the last may be conditional."""
        conditional = self.conditional and place == len(PUBLIC_PORTS) - 1
        listener = self.victim.listen(None, PUBLIC_PORTS[place], self.backlog, conditional=conditional)
        assert isinstance(listener, Listener)
        return listener

    def endpoint(self, handle: int) -> Endpoint | None:
        """The connection of this handle."""
        return self.held[handle % len(self.held)] if self.held else None

    def listener(self, handle: int) -> Listener:
        """The listener of this handle."""
        return self.listeners[handle % len(self.listeners)]

    def keep(self, endpoint: Endpoint | int) -> None:
        """A new connection; the oldest goes when there are too many."""
        if isinstance(endpoint, Endpoint):
            self.held.append(endpoint)
            if len(self.held) > HELD_MOST:
                self.held.pop(0).close()

    def take(self, handle: int) -> Endpoint | None:
        """The connection of this handle, which is held no more."""
        return self.held.pop(handle % len(self.held)) if self.held else None

    def accept(self, handle: int, amount: int) -> None:
        """0 and 15: a connection from a listener."""
        self.keep(self.listener(handle).accept())

    def send(self, handle: int, amount: int) -> None:
        """1: `amount` bytes, in one piece or two; an odd number is held back where it ends."""
        if endpoint := self.endpoint(handle):
            data = b"\xa5" * amount
            endpoint.send([data[: amount // 3], data[amount // 3 :]] if amount & 2 else data, amount & 1)

    def receive(self, handle: int, amount: int) -> None:
        """2: up to `amount` bytes; looks only when it is a multiple of 8."""
        if endpoint := self.endpoint(handle):
            endpoint.receive_into(bytearray(amount), peek=amount % 8 == 0)

    def shutdown_send(self, handle: int, amount: int) -> None:
        """3."""
        if endpoint := self.endpoint(handle):
            endpoint.shutdown_send()

    def shutdown_receive(self, handle: int, amount: int) -> None:
        """4."""
        if endpoint := self.endpoint(handle):
            endpoint.shutdown_receive()

    def close(self, handle: int, amount: int) -> None:
        """5: in order; the handle is let go."""
        if endpoint := self.take(handle):
            endpoint.close()

    def abort(self, handle: int, amount: int) -> None:
        """6: with RST; the handle is let go."""
        if endpoint := self.take(handle):
            endpoint.abort()

    def lose(self, handle: int, amount: int) -> None:
        """7: the handle is forgotten."""
        self.take(handle)

    def set_buffer(self, handle: int, amount: int) -> None:
        """8: the buffer for receiving, or for sending when `amount` is odd."""
        if endpoint := self.endpoint(handle):
            if amount & 1:
                endpoint.send_buffer = amount
            else:
                endpoint.receive_buffer = amount

    def set_option(self, handle: int, amount: int) -> None:
        """9: Nagle, the congestion algorithm, or the timing of SYNs."""
        if endpoint := self.endpoint(handle):
            names = congestion_names()
            if amount % 3 == 0:
                endpoint.nodelay = amount % 2 == 0
            elif amount % 3 == 1:
                endpoint.congestion = names[amount // 3 % len(names)]
            else:
                endpoint.set_syn_timing(1_000_000 * (amount + 1), amount % 8)

    def connect(self, handle: int, amount: int) -> None:
        """10: to one of the strangers that are servers."""
        who = FIRST_SERVER + handle % (16 - FIRST_SERVER)
        timing = (1_000_000 * (amount + 1), amount % 4) if amount else None
        self.keep(
            self.victim.connect(
                ACTIVE_PORT + who, (PEERS[who], SERVER_PORT), syn_timing=timing, icmp_fails_connect=bool(amount & 1)
            )
        )

    def set_listener(self, handle: int, amount: int) -> None:
        """11: its backlog, whether it is paused, whether it asks."""
        listener = self.listener(handle)
        if listener.closed:
            return
        listener.set_backlog(amount % 8)
        listener.paused = bool(amount & 8)
        listener.conditional = bool(amount & 16)

    def decide(self, handle: int, amount: int) -> None:
        """12: selects the oldest candidate and says what becomes of it."""
        listener = self.listener(handle)
        candidate = listener.select()
        if isinstance(candidate, Endpoint):
            listener.decide(candidate, amount % 4, keep=bool(amount & 4))
            if not candidate.closed:
                self.keep(candidate)

    def restart(self, handle: int, amount: int) -> None:
        """13: closes a listener; a new one takes its place unless `amount` is odd."""
        place = handle % len(self.listeners)
        if not self.listeners[place].closed:
            self.listeners[place].close()
        if not amount & 1:
            self.listeners[place] = self.listen(place)

    def look(self, handle: int, amount: int) -> None:
        """14: everything that can be asked."""
        self.victim.usage()
        self.victim.connections_on(ACTIVE_PORT + FIRST_SERVER)
        if endpoint := self.endpoint(handle):
            endpoint.info()
            endpoint.tcp_info()
            assert endpoint.readable_bytes >= 0
            assert endpoint.buffered_bytes >= 0
            assert self.victim.is_active(endpoint.local, endpoint.remote) in (True, False)

    def end(self) -> None:
        """Lets go of everything."""
        self.held.clear()
        for listener in self.listeners:
            if not listener.closed:
                listener.close()
