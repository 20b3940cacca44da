"""WSPBind: who holds which address and port, and which bindings may stand side by side (wsp.md section 3)."""

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from netcore.endpoint import Endpoint
from netcore.engine import Engine
from stack.wsp.addresses import LIMITED_BROADCAST, WILDCARD, read_address
from stack.wsp.constants import (
    SOCK_DGRAM,
    WSAEACCES,
    WSAEADDRINUSE,
    WSAEADDRNOTAVAIL,
    WSAEINVAL,
    WSAENOBUFS,
)
from stack.wsp.errors import EntryFailure

if TYPE_CHECKING:
    from stack.wsp.provider import Provider
    from stack.wsp.socket_options import SocketOptions
    from stack.wsp.sockets import Socket


class Mode(enum.Enum):
    """How a socket was marked when it was bound (BIND-15)."""

    DEFAULT = "Default"
    REUSE = "Reuse"
    EXCLUSIVE = "Excl"

    @classmethod
    def of(cls, options: "SocketOptions") -> "Mode":
        """Returns the mode that the options stand for now."""
        if options.exclusive_address:
            return cls.EXCLUSIVE
        return cls.REUSE if options.reuse_address else cls.DEFAULT


# BIND-19: both binds under the same account. W wildcard, S specific (the same address).
SAME_ACCOUNT: Final = """
| First \\ second | Default W | Default S | Reuse W | Reuse S | Excl W | Excl S |
| Default W       | INUSE     | ok        | ACC     | ok      | INUSE  | ok     |
| Default S       | ok        | INUSE     | ok      | ACC     | INUSE  | INUSE  |
| Reuse W         | INUSE     | ok        | ok      | ok      | INUSE  | ok     |
| Reuse S         | ok        | INUSE     | ok      | ok      | INUSE  | INUSE  |
| Excl W          | INUSE     | ACC       | ACC     | ACC     | INUSE  | ACC    |
| Excl S          | ok        | INUSE     | ok      | ACC     | INUSE  | INUSE  |
"""

# BIND-20: binds under different accounts.
OTHER_ACCOUNT: Final = """
| First \\ second | Default W | Default S | Reuse W | Reuse S | Excl W | Excl S |
| Default W       | INUSE     | ACC       | ACC     | ACC     | INUSE  | ACC    |
| Default S       | ok        | INUSE     | ok      | ACC     | INUSE  | INUSE  |
| Reuse W         | INUSE     | ACC       | ok      | ok      | INUSE  | ACC    |
| Reuse S         | ok        | INUSE     | ok      | ok      | INUSE  | INUSE  |
| Excl W          | INUSE     | ACC       | ACC     | ACC     | INUSE  | ACC    |
| Excl S          | ok        | INUSE     | ok      | ACC     | INUSE  | INUSE  |
"""

# Of sockets for which the embedding program names no other (BIND-21).
COMMON_ACCOUNT: Final = ""

# States of a connection that is over (IOCTL-18).
_CLOSED: Final = 0
_TIME_WAIT: Final = 10

_FEW: Final = 64

_OUTCOMES: Final = {"ok": 0, "INUSE": WSAEADDRINUSE, "ACC": WSAEACCES}

Matrix = dict[tuple[str, str], int]


def _matrix(text: str) -> Matrix:
    """Reads a conflict matrix: (first, second) -> 0 or the code of the second bind."""
    header, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    return {
        (row[0], second): _OUTCOMES[outcome]
        for row in rows
        for second, outcome in zip(header[1:], row[1:], strict=True)
    }


_SAME_ACCOUNT_MATRIX: Final = _matrix(SAME_ACCOUNT)
_OTHER_ACCOUNT_MATRIX: Final = _matrix(OTHER_ACCOUNT)


class Accepted(NamedTuple):
    """A connection accepted through a binding; its ends are (packed address, port); irs tells it from later ones."""

    endpoint: Endpoint
    local: tuple[bytes, int]
    remote: tuple[bytes, int]
    irs: int

    def is_active(self, engine: Engine) -> bool:
        """Whether it is not closed, or only half closed; its descriptor may be gone already."""
        if self.endpoint.closed:
            return engine.is_active(self.local, self.remote, self.irs)
        return self.endpoint.state not in (_CLOSED, _TIME_WAIT)


@dataclass(slots=True, eq=False)
class Binding:
    """One local association. address: packed, None for the wildcard; port in host order; order: of binding.

    connections: those accepted through it, kept for exclusive ones only (BIND-27).
    """

    protocol: int
    address: bytes | None
    port: int
    mode: Mode
    account: str
    order: int
    connections: list["Accepted"] = field(default_factory=list)

    @property
    def wildcard(self) -> bool:
        """Whether it covers every local address (BIND-7)."""
        return self.address is None

    @property
    def kind(self) -> str:
        """Its name in the matrices."""
        return f"{self.mode.value} {'W' if self.wildcard else 'S'}"


def conflict(first: Binding, second: Binding) -> int:
    """Returns the code that binding `second` fails with because of `first` on the same port, 0 for none."""
    if not first.wildcard and not second.wildcard and first.address != second.address:
        return 0  # BIND-17
    matrix = _SAME_ACCOUNT_MATRIX if first.account == second.account else _OTHER_ACCOUNT_MATRIX
    return matrix[first.kind, second.kind]


class Bindings:
    """All bindings of one provider. Every method wants the provider's lock.

    low, high: the ephemeral range (wsp.md 0.1 EPHEMERAL).
    """

    def __init__(self, engine: Engine, low: int, high: int) -> None:
        self._engine = engine
        self._low = low
        self._high = high
        self._held: dict[tuple[int, int], list[Binding]] = {}  # (protocol, port) -> bindings, oldest first
        self._taken: dict[int, set[int]] = {}  # protocol -> ports
        self._lingering: set[Binding] = set()
        self._order = 0

    def reserve(self, protocol: int, address: bytes | None, port: int, mode: Mode, account: str) -> Binding:
        """Makes a binding; port 0: a free one of the ephemeral range (BIND-8).

        Raises EntryFailure: what the matrix says of the oldest binding in conflict (BIND-23); WSAENOBUFS, no port left.
        """
        self._drop_what_is_over()
        taken = self._taken.setdefault(protocol, set())
        port = port or self._engine.choose_port(self._low, self._high, taken)
        if not port:
            raise EntryFailure(WSAENOBUFS)
        binding = Binding(protocol, address, port, mode, account, self._order)
        self._order += 1
        held = self._held.setdefault((protocol, port), [])
        for earlier in held:
            code = conflict(earlier, binding)
            if code:
                raise EntryFailure(code)
        held.append(binding)
        taken.add(port)
        return binding

    def commit(self, binding: Binding) -> None:
        """Checks that `binding` may start to listen on every address it covers (LISTEN-46).

        Raises EntryFailure WSAEADDRINUSE while a wildcard meets a specific binding that is exclusive.
        """
        self._drop_what_is_over()
        if not binding.wildcard or binding.mode is Mode.REUSE:
            return
        for other in self._held[binding.protocol, binding.port]:
            if other is not binding and not other.wildcard and other.mode is Mode.EXCLUSIVE:
                raise EntryFailure(WSAEADDRINUSE)

    def accepted(self, binding: Binding, endpoint: Endpoint) -> None:
        """Notes that a connection was accepted through `binding`."""
        if binding.mode is not Mode.EXCLUSIVE:
            return
        connections = binding.connections
        # the ones that are over go each time that the list has doubled
        if len(connections) >= _FEW and len(connections) & (len(connections) - 1) == 0:
            connections[:] = [each for each in connections if each.is_active(self._engine)]
        connections.append(Accepted(endpoint, endpoint.local, endpoint.remote, endpoint.info().get("irs", 0)))

    def release(self, binding: Binding) -> None:
        """Gives up a binding; an exclusive one stays while connections accepted through it are active (BIND-27)."""
        self._lingering.add(binding)
        self._drop_what_is_over()

    def count(self) -> int:
        """Returns how many bindings there are, those of BIND-27 included."""
        return sum(map(len, self._held.values()))

    def _drop_what_is_over(self) -> None:
        for binding in tuple(self._lingering):
            if any(each.is_active(self._engine) for each in binding.connections):
                continue  # BIND-27
            self._lingering.discard(binding)
            held = self._held[binding.protocol, binding.port]
            held.remove(binding)
            if not held:
                del self._held[binding.protocol, binding.port]
                self._taken[binding.protocol].discard(binding.port)


def bind(provider: "Provider", socket: "Socket", name: Any, length: int) -> None:
    """WSPBind, checks in the order of BIND-2. Raises EntryFailure."""
    packed, port = read_address(socket.family, name, length)
    with provider.lock:
        socket.begin()
        if socket.binding is not None or socket.endpoint is not None:
            raise EntryFailure(WSAEINVAL)
        wildcard = packed == WILDCARD
        if packed == LIMITED_BROADCAST and socket.type == SOCK_DGRAM:
            if not socket.options.broadcast:
                raise EntryFailure(WSAEACCES)  # BIND-12
        elif not wildcard and packed not in provider.engine.local_addresses():
            raise EntryFailure(WSAEADDRNOTAVAIL)  # BIND-9
        socket.binding = provider.bindings.reserve(
            socket.protocol, None if wildcard else packed, port, Mode.of(socket.options), socket.account
        )
