"""The model of a host with listeners, from wsp.md sections 2 to 4 alone: calls and segments in and out.

It is slow and plain on purpose: lists, no state that could be computed, one branch for each sentence.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.wsp.model.bind_table import BindTable, Holding
from tests.wsp.model.wire import ACK, FIN, MODULUS, RST, SYN, Segment

SECOND: Final = 1_000_000_000
WOULDBLOCK, INVAL, MFILE, ADDRINUSE, ACCES = 10035, 10022, 10024, 10048, 10013
CONNREFUSED, CONNRESET, CONNABORTED, TRY_AGAIN = 10061, 10054, 10053, 11002
CF_ACCEPT, CF_REJECT, CF_DEFER = 0, 1, 2

# LISTEN-52 "times out": SYN,ACKs at these times after the first (s), and the end.
REPEATS: Final = (1, 3, 7, 15, 31)
HANDSHAKE_LIFE: Final = 63
REQUEST_LIFE: Final = 30
CHALLENGE_INTERVAL: Final = SECOND // 2

UNKNOWN: Final = -1


@dataclass(eq=False)
class Connection:
    """A passive connection from its SYN to its end. place: where it stands; ended: by what, empty while it lives."""

    client: int
    host: int
    irs: int
    syn_length: int
    place: str
    since: int
    theirs: int = UNKNOWN
    received: int = 1
    unread: bytes = b""
    closed_by_peer: bool = False
    ended: str = ""
    deferred: bool = False
    approved: bool = False
    challenged: int = -CHALLENGE_INTERVAL
    descriptor: int = 0

    @property
    def active(self) -> bool:
        return not self.ended

    @property
    def expected(self) -> int:
        """RCV.NXT"""
        return (self.irs + self.received) % MODULUS


@dataclass(eq=False)
class Listening:
    """What a WSPListen has made of a socket."""

    backlog: int
    half_open: list[Connection] = field(default_factory=list)
    finished: list[Connection] = field(default_factory=list)
    requests: list[Connection] = field(default_factory=list)

    @property
    def occupancy(self) -> int:
        return len(self.half_open) + len(self.finished)

    @property
    def head(self) -> Connection | None:
        return (self.finished + self.requests)[0] if self.finished or self.requests else None

    @property
    def readable(self) -> bool:
        return self.head is not None and not self.head.deferred


@dataclass(eq=False)
class ModelSocket:
    """A socket that is bound, and may listen."""

    descriptor: int
    holding: Holding | None = None
    listening: Listening | None = None
    conditional: bool = False
    paused: bool = False


class Host:
    """The whole model. `sent`: what it has put on the wire since the last look."""

    def __init__(self, limits: tuple[int, int, int]) -> None:
        self.backlog_max, self.hint_min, self.hint_max = limits
        self.now = 0
        self.table = BindTable()
        self.sockets: list[ModelSocket] = []
        self.accepted: list[Connection] = []
        self.live: dict[tuple[int, int], Connection] = {}
        self.sent: list[Segment] = []
        self.capacity = 1000

    # ---- the wire

    def put(self, connection: Connection, flags: str) -> None:
        offset = 0 if flags == "SA" else 1
        seq = UNKNOWN if connection.theirs == UNKNOWN else (connection.theirs + offset) % MODULUS
        self.sent.append(Segment(connection.client, connection.host, flags, seq, connection.expected, 0, self.now))

    def refuse(self, client: int, host: int, seq: int, length: int) -> None:
        """LISTEN-50."""
        self.sent.append(Segment(client, host, "RA", 0, (seq + length) % MODULUS, 0, self.now))

    def arrives(self, client: int, host: int, flags: int, seq: int, ack: int, text: bytes = b"") -> None:
        """A segment from the peer."""
        connection = self.live.get((client, host))
        length = len(text) + bool(flags & SYN) + bool(flags & FIN)
        if connection is None:
            socket = self.listener_of(host)
            if socket is not None and flags & SYN and not flags & (ACK | RST):
                self.syn_arrives(socket, client, host, seq, length)
            elif flags & RST:
                pass
            elif flags & ACK:
                self.sent.append(Segment(client, host, "R", ack % MODULUS, 0, 0, self.now))
            elif socket is None:
                self.refuse(client, host, seq, length)
        elif connection.place == "requests":
            self.request_arrives(connection, flags, seq, ack, length)
        elif flags & RST:
            if seq == connection.expected:
                self.reset_by_peer(connection)
        elif flags & SYN:
            self.repeated_syn(connection)
        else:
            self.ack_arrives(connection, flags, ack, text)

    def listener_of(self, port: int) -> ModelSocket | None:
        """BIND-24, 25: specific before wildcard, then the one bound first."""
        found = [socket for socket in self.sockets if socket.listening and socket.holding.port == port]
        found.sort(key=lambda socket: (socket.holding.wildcard, socket.holding.order))
        return found[0] if found else None

    def syn_arrives(self, socket: ModelSocket, client: int, host: int, seq: int, length: int) -> None:
        listening = socket.listening
        assert listening is not None
        if socket.paused or (not socket.conditional and listening.occupancy >= listening.backlog):
            self.refuse(client, host, seq, length)
            return
        place = "requests" if socket.conditional else "half_open"
        connection = Connection(client, host, seq, length, place, self.now)
        self.live[client, host] = connection
        getattr(listening, place).append(connection)
        if place == "half_open":
            self.put(connection, "SA")

    def request_arrives(self, connection: Connection, flags: int, seq: int, ack: int, length: int) -> None:
        if flags & RST:
            self.end(connection, "reset")
        elif flags & ACK:
            self.sent.append(Segment(connection.client, connection.host, "R", ack % MODULUS, 0, 0, self.now))
        else:
            connection.since = self.now
            connection.syn_length = length

    def repeated_syn(self, connection: Connection) -> None:
        if connection.place == "half_open":
            self.put(connection, "SA")
        elif self.now - connection.challenged >= CHALLENGE_INTERVAL:
            connection.challenged = self.now
            self.put(connection, "A")

    def ack_arrives(self, connection: Connection, flags: int, ack: int, text: bytes) -> None:
        if connection.place == "half_open":
            if ack != (connection.theirs + 1) % MODULUS:
                self.sent.append(Segment(connection.client, connection.host, "R", ack % MODULUS, 0, 0, self.now))
                return
            listening = self.holder(connection)
            listening.half_open.remove(connection)
            listening.finished.append(connection)
            connection.place = "finished"
        if text or flags & FIN:
            connection.unread += text
            connection.closed_by_peer |= bool(flags & FIN)
            connection.received += len(text) + bool(flags & FIN)
            self.put(connection, "A")

    def holder(self, connection: Connection) -> Listening:
        return next(
            socket.listening
            for socket in self.sockets
            if socket.listening and connection in getattr(socket.listening, connection.place)
        )

    def reset_by_peer(self, connection: Connection) -> None:
        """LISTEN-53 for half-open ones; a finished one stays queued (ACPT-7); GEN-11, GEN-14."""
        connection.unread = b""
        self.end(connection, "aborted" if connection.closed_by_peer else "reset")

    def end(self, connection: Connection, how: str) -> None:
        connection.ended = how
        del self.live[connection.client, connection.host]
        if connection.place in ("half_open", "requests"):
            getattr(self.holder(connection), connection.place).remove(connection)

    def evict(self, connection: Connection) -> None:
        """Resets a connection, or refuses a request; nothing for one that its peer has reset (LISTEN-59)."""
        if connection.ended:
            return
        connection.ended = "evicted"
        del self.live[connection.client, connection.host]
        if connection.place == "requests":
            self.refuse(connection.client, connection.host, connection.irs, connection.syn_length)
        else:
            self.put(connection, "RA")

    def advance(self, duration: int) -> None:
        """Time passes: SYN,ACKs are sent again, half-open connections and requests end."""
        end = self.now + duration
        while True:
            due = [(time, act) for each in list(self.live.values()) for time, act in self.timers(each)]
            due = [(time, act) for time, act in due if self.now < time <= end]
            if not due:
                break
            time = min(entry[0] for entry in due)
            self.now = time
            for each_time, each_act in due:
                if each_time == time:
                    each_act()
        self.now = end

    def timers(self, connection: Connection) -> list[tuple[int, Callable[[], None]]]:
        if connection.place == "requests":
            return [(connection.since + REQUEST_LIFE * SECOND, lambda: self.end(connection, "expired"))]
        if connection.place != "half_open":
            return []
        repeats = [(connection.since + after * SECOND, lambda: self.put(connection, "SA")) for after in REPEATS]
        return [*repeats, (connection.since + HANDSHAKE_LIFE * SECOND, lambda: self.end(connection, "expired"))]

    # ---- calls

    @property
    def descriptors(self) -> int:
        return len(self.sockets) + len(self.accepted)

    def effective(self, backlog: int) -> int:
        """LISTEN-34 to 38."""
        if backlog < 0:
            return max(self.hint_min, min(self.hint_max, -backlog))
        return max(1, min(self.backlog_max, backlog))

    def bind(self, socket: ModelSocket, kind: str, port: int, account: str) -> int:
        if socket.holding is not None:
            return INVAL
        holding = self.table.bind(socket, kind, port, account)
        if isinstance(holding, int):
            return holding
        socket.holding = holding
        return 0

    def listen(self, socket: ModelSocket, backlog: int) -> int:
        if socket.holding is None:
            return INVAL
        effective = self.effective(backlog)
        if socket.listening is None:
            if not self.table.may_listen(socket.holding):
                return ADDRINUSE
            socket.listening = Listening(effective)
            return 0
        listening = socket.listening
        listening.backlog = effective
        while listening.occupancy > effective:  # LISTEN-57, 58
            queue = listening.half_open or listening.finished
            self.evict(queue.pop())
        return 0

    def close(self, socket: ModelSocket) -> None:
        """LISTEN-73."""
        if socket.listening is not None:
            for connection in socket.listening.half_open + socket.listening.finished + socket.listening.requests:
                self.evict(connection)
        self.sockets.remove(socket)
        if socket.holding is not None:
            self.table.release(socket.holding)

    def candidate(self, socket: ModelSocket) -> Connection | int:
        """What an accept has before it, or the code it ends with without looking further."""
        listening = socket.listening
        if listening is None:
            return INVAL
        head = listening.head
        if head is None:
            return WOULDBLOCK
        return MFILE if self.descriptors >= self.capacity else head

    def decide(self, socket: ModelSocket, candidate: Connection, decision: int | None) -> int:
        """Section 4.2 and 4.3: what an accept returns; 0: `candidate` is the new connection. None: any other answer."""
        listening = socket.listening
        assert listening is not None
        if decision is None:
            return INVAL
        if candidate.ended:
            if candidate in listening.finished:
                listening.finished.remove(candidate)
            return ACCES if candidate.ended == "expired" else CONNRESET
        queue = getattr(listening, candidate.place)
        if decision == CF_DEFER:
            candidate.deferred = True
            return TRY_AGAIN
        queue.remove(candidate)
        if decision == CF_REJECT:
            self.evict(candidate)
            return CONNREFUSED
        if candidate.place == "requests":
            candidate.place, candidate.approved, candidate.deferred = "half_open", True, False
            candidate.since = self.now
            listening.half_open.append(candidate)
            self.put(candidate, "SA")
            return WOULDBLOCK
        candidate.place = "accepted"
        assert socket.holding is not None
        socket.holding.connections.append(candidate)
        self.accepted.append(candidate)
        return 0

    def receive(self, connection: Connection) -> tuple[int, bytes]:
        if connection.ended:
            return (CONNABORTED if connection.ended == "aborted" else CONNRESET), b""
        text, connection.unread = connection.unread, b""
        return (0 if text or connection.closed_by_peer else WOULDBLOCK), text

    def abort(self, connection: Connection) -> None:
        """WSPCloseSocket with a linger time of 0."""
        self.accepted.remove(connection)
        self.evict(connection)
