"""The program on the victim of a fuzz input: every call that a program can make, by number."""

from collections.abc import Callable

from netcore.endpoint import SEND_URGENT, Endpoint
from netcore.engine import Engine, congestion_names
from netcore.listener import Listener
from netcore.service import Service
from tests.hostile.cast import PUBLIC_PORTS, STRANGERS

HELD_MOST = 32
SERVICE_PORT = PUBLIC_PORTS[0]
SERVED_MOST = 6
# the strangers of fuzz inputs; the last two are beyond the gateway
PEERS = STRANGERS[:14] + STRANGERS[-2:]
# those from this one on are not connected from but to
FIRST_SERVER = 12
SERVER_PORT = 80
ACTIVE_PORT = 20000
SECOND = 1_000_000_000
# flags of a connect's handle, beside the stranger's number
FAST_OPEN, WITH_DATA, WITH_TIMEOUT = 4, 8, 16


class Program:
    """Handles of listeners and of connections, and the calls on them."""

    def __init__(
        self, victim: Engine, backlog: int, conditional: bool, fast_open: bool, service: str | None = None
    ) -> None:
        self.victim = victim
        self.fast_open = fast_open
        self.backlog = backlog
        self.conditional = conditional
        self.kind = service
        self.ports = [port for port in PUBLIC_PORTS if service is None or port != SERVICE_PORT]
        self.listeners = [self.listen(place) for place in range(len(self.ports))]
        self.service = self.serve()
        self.held: list[Endpoint] = []
        self.calls: tuple[Callable[[int, int], object], ...] = (
            self.accept, self.send, self.receive, self.shutdown_send, self.shutdown_receive, self.close, self.abort,
            self.lose, self.set_buffer, self.set_option, self.connect, self.set_listener, self.decide, self.restart,
            self.look, self.set_patience,
        )  # fmt: skip

    def call(self, number: int, handle: int, amount: int) -> None:
        """Makes one call; handles are counted modulo those there are."""
        self.calls[number](handle, amount)

    def listen(self, place: int) -> Listener:
        """A listener on one of the public ports; the last may be conditional."""
        conditional = self.conditional and place == len(self.ports) - 1
        listener = self.victim.listen(
            None, self.ports[place], self.backlog, conditional=conditional, fast_open=self.fast_open
        )
        assert isinstance(listener, Listener)
        return listener

    def serve(self) -> Service | None:
        """The service, if there is to be one."""
        if self.kind is None:
            return None
        service = self.victim.serve(self.kind, None, SERVICE_PORT, self.backlog, connections=SERVED_MOST)
        assert isinstance(service, Service)
        return service

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
        """0: a connection from a listener."""
        self.keep(self.listener(handle).accept())

    def send(self, handle: int, amount: int) -> None:
        """1: `amount` bytes, in one piece or two; an odd number is held back where it ends; the last may be urgent."""
        if endpoint := self.endpoint(handle):
            data = b"\xa5" * amount
            flags = (amount & 1) | (SEND_URGENT if amount & 4 else 0)
            endpoint.send([data[: amount // 3], data[amount // 3 :]] if amount & 2 else data, flags)

    def receive(self, handle: int, amount: int) -> None:
        """2: up to `amount` bytes; looks only when it is a multiple of 8; none: an urgent one."""
        if endpoint := self.endpoint(handle):
            if amount < 2:
                endpoint.receive_urgent(bytearray(1), peek=amount == 1)
                return
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
        """9: Nagle, the congestion algorithm, where urgent bytes are, or the timing of SYNs."""
        if endpoint := self.endpoint(handle):
            names = congestion_names()
            if amount % 5 == 0:
                endpoint.nodelay = amount % 2 == 0
            elif amount % 5 == 1:
                endpoint.congestion = names[amount // 5 % len(names)]
            elif amount % 5 == 2:
                endpoint.urgent_inline = amount % 2 == 0
            elif amount % 5 == 3:
                endpoint.urgent_1122 = amount % 2 == 0
            else:
                endpoint.set_syn_timing(1_000_000 * (amount + 1), amount % 8)

    def connect(self, handle: int, amount: int) -> None:
        """10: to one of the strangers that are servers; `handle` says as well what goes with the SYN."""
        who = FIRST_SERVER + handle % (16 - FIRST_SERVER)
        data = b"\xa5" * (100 + amount % 2000) if handle & WITH_DATA else b""
        timing = (1_000_000 * (amount + 1), amount % 4) if amount else None
        self.keep(
            self.victim.connect(
                ACTIVE_PORT + who,
                (PEERS[who], SERVER_PORT),
                syn_timing=timing,
                icmp_fails_connect=bool(amount & 1),
                fast_open=bool(handle & FAST_OPEN),
                data=data,
                user_timeout_option=100 * SECOND if handle & WITH_TIMEOUT else 0,
            )
        )

    def set_listener(self, handle: int, amount: int) -> None:
        """11: its backlog, whether it is paused, whether it asks, whether SYNs may bring text."""
        listener = self.listener(handle)
        if listener.closed:
            return
        listener.set_backlog(amount % 8)
        listener.paused = bool(amount & 8)
        listener.conditional = bool(amount & 16)
        listener.fast_open = bool(amount & 32) != self.fast_open

    def decide(self, handle: int, amount: int) -> None:
        """12: selects the oldest candidate and says what becomes of it."""
        listener = self.listener(handle)
        candidate = listener.select()
        if isinstance(candidate, Endpoint):
            listener.decide(candidate, amount % 4, keep=bool(amount & 4))
            if not candidate.closed:
                self.keep(candidate)

    def restart(self, handle: int, amount: int) -> None:
        """13: closes a listener; a new one takes its place unless `amount` is odd. Or the service begins anew."""
        if self.service is not None and handle & 16:
            if amount & 2:
                self.service.set_backlog(0)
            self.service.close()
            self.service = self.serve()
            return
        place = handle % len(self.listeners)
        if not self.listeners[place].closed:
            self.listeners[place].close()
        if not amount & 1:
            self.listeners[place] = self.listen(place)

    def look(self, handle: int, amount: int) -> None:
        """14: everything that can be asked."""
        self.victim.usage()
        self.victim.connections_on(ACTIVE_PORT + FIRST_SERVER)
        assert 1024 <= self.victim.choose_port(1024, 1024 + amount % 9, {1024}) <= 1032 or not amount % 9
        if endpoint := self.endpoint(handle):
            endpoint.info()
            endpoint.tcp_info()
            assert endpoint.readiness >= 0
            assert endpoint.readable_bytes >= 0
            assert endpoint.buffered_bytes >= 0
            assert not (endpoint.at_mark and endpoint.closed)
            assert endpoint.urgent_pending in (True, False)
            assert self.victim.is_active(endpoint.local, endpoint.remote) in (True, False)

    def set_patience(self, handle: int, amount: int) -> None:
        """15: probes while nothing comes, how long an answer is waited for, what the peer is told of that."""
        if endpoint := self.endpoint(handle):
            # none is so short that the peace at the end is full of time-outs
            duration = (1 + amount // 4) * SECOND
            if amount % 4 == 0:
                endpoint.set_keepalive(amount % 8 == 0, duration, SECOND, 3)
            elif amount % 4 == 1:
                endpoint.user_timeout = duration
            elif amount % 4 == 2:
                endpoint.user_timeout = None if amount & 4 else 0
            else:
                endpoint.advertise_user_timeout(duration)

    def end(self) -> None:
        """Lets go of everything."""
        self.held.clear()
        for listener in self.listeners:
            if not listener.closed:
                listener.close()
        if self.service is not None:
            counters = self.service.counters()
            assert counters["open"] <= SERVED_MOST
            assert self.kind != "discard" or not counters["sent"]
            self.service.close()
