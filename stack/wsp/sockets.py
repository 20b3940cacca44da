"""Socket: what the provider knows of one socket; DescriptorTable: which value names which socket (SOCK-5, GEN-5).

The states of section 1.2 are not stored but follow from what a socket has:

    U   no binding, no endpoint          Cn        attempt (and its endpoint)
    B   binding, no endpoint             E Es Ef   endpoint, no attempt
    L   listener                         R         endpoint whose status is a terminal one
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from netcore.endpoint import CONNECTED, FAILED, GONE, OK, READABLE, WRITABLE, Endpoint
from netcore.handles import SocketHandles
from stack.driving import Watch
from stack.wsp.binding import Binding
from stack.wsp.constants import INVALID_SOCKET, SOCK_STREAM, WSAEMFILE, WSAENOTSOCK
from stack.wsp.errors import STATUS_CODES, EntryFailure
from stack.wsp.socket_options import DEFAULT_OPTIONS, SocketOptions
from stack.wsp.waiting import MILLISECOND

_STEP: Final = 4  # handles of Windows are multiples of four
_LAST: Final = 0x7FFF_FFFC

# With a threshold of 0 no send could ever be taken, and with a window below a segment or two no byte would come in:
# such values are reported as set and work as the smallest ones that do (OPT-22).
_LEAST_SEND_BUFFER: Final = 1
_LEAST_RECEIVE_BUFFER: Final = 4096


@dataclass(slots=True, eq=False)
class Attempt:
    """One try to connect. code: why it failed, 0 when it succeeded, None while it goes on."""

    endpoint: Endpoint
    blocking: bool
    code: int | None = None


class Socket(SocketHandles):
    """One socket. Its fields change under the provider's lock; single fields are read without it."""

    __slots__ = (
        "account",
        "binding",
        "descriptor",
        "error",
        "family",
        "heir",
        "heirs_options",
        "options",
        "overlapped",
        "protocol",
        "send_shut",
        "type",
    )
    attempt: Attempt | None

    def __init__(self, family: int, type_: int, protocol: int, *, overlapped: bool, account: str) -> None:
        self.descriptor = INVALID_SOCKET
        self.family = family
        self.type: int = type_
        self.stream = type_ == SOCK_STREAM
        self.protocol = protocol
        self.overlapped = overlapped
        self.account = account
        self.options: SocketOptions = DEFAULT_OPTIONS
        self.heirs_options: SocketOptions | None = None
        self.heir: Socket | None = None
        self.binding: Binding | None = None
        self.error: int = 0  # SO_ERROR
        self.send_shut = False

    @property
    def local(self) -> tuple[bytes, int] | None:
        """The local end of the connection, also of one under way: (packed address, port)."""
        endpoint = self.endpoint
        return None if endpoint is None else endpoint.local

    @property
    def remote(self) -> tuple[bytes, int] | None:
        """The peer's end."""
        endpoint = self.endpoint
        return None if endpoint is None else endpoint.remote

    @property
    def receive_watches(self) -> tuple[Watch, ...]:
        """What a receive waits for."""
        endpoint = self.endpoint
        return () if endpoint is None else ((endpoint, READABLE | FAILED | GONE),)

    @property
    def send_watches(self) -> tuple[Watch, ...]:
        """What a send waits for."""
        endpoint = self.endpoint
        return () if endpoint is None else ((endpoint, WRITABLE | FAILED | GONE),)

    @property
    def established(self) -> bool:
        """Whether the socket is in one of the states E, Es, Ef, R."""
        return self.endpoint is not None and self.attempt is None

    @property
    def terminal(self) -> bool:
        """Whether the socket is in state R."""
        return self.established and self.endpoint is not None and self.endpoint.status != OK

    def attach(self, endpoint: Endpoint) -> None:
        """Gives the socket its connection, and the connection the socket's options."""
        self.send_shut = False
        self.endpoint = endpoint
        options = self.options
        if options.nodelay:
            endpoint.nodelay = True
        if options.congestion is not None:
            endpoint.congestion = options.congestion
        if options.send_buffer is not None or options.receive_buffer is not None:
            self.apply_buffers()
        if options.keepalive:
            self.apply_keepalive()
        if options.user_timeout != 0:
            self.apply_user_timeout()
        if options.out_of_band_inline:
            endpoint.urgent_inline = True
        if options.urgent_1122:
            endpoint.urgent_1122 = True

    def change_options(self, **changes: Any) -> None:
        """Gives the socket other values for the fields of its options that are named. Call under the lock."""
        self.options = self.options._replace(**changes)
        self.heirs_options = None

    def change_flag(self, name: int, number: int) -> None:
        """Stores an option that has no further effect. Call under the lock."""
        self.change_options(flags={**self.options.flags, name: number})

    def new_heir(self) -> "Socket":
        """Returns a socket for a connection that is accepted from this one; it is given to `inherit`."""
        return Socket(self.family, self.type, self.protocol, overlapped=self.overlapped, account=self.account)

    def next_heir(self) -> "Socket":
        """Returns the same, made beforehand, again and again until it has inherited. Call under the lock."""
        if self.heir is None:
            self.heir = self.new_heir()
        return self.heir

    def inherit(self, heir: "Socket", endpoint: Endpoint) -> None:
        """Gives an accepted socket its connection, and mode and options as they are now (ACPT-16 to 18)."""
        if heir is self.heir:
            self.heir = None
        options = self.heirs_options
        if options is None:
            options = self.heirs_options = self.options.inherited()
        heir.nonblocking = self.nonblocking
        if options is DEFAULT_OPTIONS:
            heir.endpoint = endpoint
        else:
            heir.options = options
            heir.attach(endpoint)

    def apply_buffers(self) -> None:
        """Gives the connection the buffer sizes that the program has set, if it has."""
        endpoint, options = self.endpoint, self.options
        if endpoint is None:
            return
        if options.send_buffer is not None:
            endpoint.send_buffer = max(options.send_buffer, _LEAST_SEND_BUFFER)
        if options.receive_buffer is not None:
            endpoint.receive_buffer = max(options.receive_buffer, _LEAST_RECEIVE_BUFFER)

    def apply_keepalive(self) -> None:
        """Gives the connection the keepalive that the program wants; 0 counts as the smallest there is (OPT-42, 48)."""
        endpoint, options = self.endpoint, self.options
        if endpoint is not None:
            endpoint.set_keepalive(
                options.keepalive,
                _least_one(options.keepalive_idle) * MILLISECOND,
                _least_one(options.keepalive_interval) * MILLISECOND,
                _least_one(options.keepalive_count),
            )

    def apply_user_timeout(self) -> None:
        """Gives the connection the time that connecting and sending may take without an answer (OPT-43)."""
        if self.endpoint is not None:
            limit = self.options.user_timeout
            self.endpoint.user_timeout = None if limit is None else limit * MILLISECOND

    def begin(self) -> None:
        """Begins an entry that may change the socket; call under the lock.

        Raises EntryFailure WSAENOTSOCK when another thread has closed it since it was looked up.
        """
        if self.closed:
            raise EntryFailure(WSAENOTSOCK)
        self.settle()

    def settle(self) -> None:
        """Takes over the outcome of a connect that has ended in the meantime (CONN-6, 7, 8). Call under the lock."""
        attempt = self.attempt
        if attempt is None:
            return
        readiness = attempt.endpoint.readiness
        if readiness & CONNECTED:
            attempt.code = 0
            self.attempt = None
            self.error = 0
            self.connect_failed = False
        elif readiness & FAILED:
            attempt.code = STATUS_CODES[attempt.endpoint.status]
            self.attempt = None
            self.endpoint = None
            self.connect_failed = True
            if not attempt.blocking:
                self.error = attempt.code
            attempt.endpoint.close()

    def wake(self) -> None:
        """Ends the waits of the threads that wait for this socket, so that they look at it again."""
        for wait in tuple(self.waits):
            wait.wake()


def _least_one(number: int | None) -> int:
    """Returns 0, which leaves it to the configuration, for None."""
    return 0 if number is None else max(number, 1)


class DescriptorTable:
    """The descriptors of one provider, at most `capacity` in use; values are issued in rotation (SOCK-5).

    `live` maps each value in use to its socket; it is read without the lock, all else needs it.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.live: dict[int, Socket] = {}
        self._reserved = 0
        self._next = _STEP

    def full(self) -> bool:
        """Whether no descriptor is free."""
        return len(self.live) + self._reserved >= self.capacity

    def reserve(self) -> None:
        """Sets aside a descriptor for an accept that is under way; one must be free."""
        self._reserved += 1

    def unreserve(self) -> None:
        """Gives back what `reserve` took."""
        self._reserved -= 1

    def add(self, socket: Socket, *, reserved: bool = False) -> int:
        """Gives `socket` a descriptor, the `reserved` one if so, and returns it.

        Raises EntryFailure WSAEMFILE when none is free.
        """
        live = self.live
        if reserved:
            self._reserved -= 1
        if len(live) + self._reserved >= self.capacity:
            raise EntryFailure(WSAEMFILE)
        descriptor = self._next
        while descriptor in live:
            descriptor = descriptor + _STEP if descriptor < _LAST else _STEP
        self._next = descriptor + _STEP if descriptor < _LAST else _STEP
        socket.descriptor = descriptor
        live[descriptor] = socket
        return descriptor

    def remove(self, socket: Socket) -> None:
        """Frees the descriptor of `socket`."""
        self.live.pop(socket.descriptor, None)

    def __iter__(self) -> Iterator[Socket]:
        return iter(list(self.live.values()))

    def __len__(self) -> int:
        return len(self.live)
