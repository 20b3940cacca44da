"""WSPAccept (wsp.md section 4)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from netcore.endpoint import (
    ABORTED,
    ACCEPTABLE,
    CONNECTED,
    FAILED,
    GONE,
    HANDLE_CLOSED,
    OK,
    RESET,
    TIMED_OUT,
    WOULD_BLOCK,
    Endpoint,
)
from netcore.listener import Listener
from stack.wsp import arguments
from stack.wsp.addresses import AddressResult
from stack.wsp.binding import Mode
from stack.wsp.conditions import ConditionFunction
from stack.wsp.constants import (
    CF_ACCEPT,
    CF_DEFER,
    CF_REJECT,
    INVALID_SOCKET,
    WSAEACCES,
    WSAECONNREFUSED,
    WSAECONNRESET,
    WSAEFAULT,
    WSAEINTR,
    WSAEINVAL,
    WSAEMFILE,
    WSAENOBUFS,
    WSAEOPNOTSUPP,
    WSAEWOULDBLOCK,
    WSATRY_AGAIN,
)
from stack.wsp.errors import EntryFailure
from stack.wsp.sockets import Socket
from stack.wsp.waiting import complete

if TYPE_CHECKING:
    from stack.wsp.provider import Provider

# What a candidate that its peer has ended makes of an accept (ACPT-7, 32, 34); aborted: reset after its FIN (GEN-11).
_LOST: Final = {RESET: WSAECONNRESET, ABORTED: WSAECONNRESET, TIMED_OUT: WSAEACCES, HANDLE_CLOSED: WSAEINTR}

# How WSPAccept ends after a decision that the core has carried out (ACPT-22, 23).
_ENDS: Final = {CF_REJECT: WSAECONNREFUSED, CF_DEFER: WSATRY_AGAIN}

# Of Listener.decide: the candidate goes back as it was.
_RELEASE: Final = 3

_EXCLUSIVE: Final = Mode.EXCLUSIVE

Decide = Callable[[Endpoint], int | None]


def make_accept(provider: "Provider") -> Callable[[int, Any, Any, Any, int, Any], int]:
    """Returns the entry WSPAccept of `provider`; its common case, no address and no condition function, comes first."""
    find, deciding = provider.descriptors.live.get, provider.running_conditions

    def WSPAccept(s: int, addr: Any, addrlen: Any, lpfnCondition: Any, dwCallbackData: int, lpErrno: Any) -> int:
        """Takes the oldest connection of listener `s`, if the condition function accepts it; returns its descriptor.

        INVALID_SOCKET when it fails.
        """
        try:
            socket = find(s)
            if (
                socket is not None
                and addr is None
                and lpfnCondition is None
                and socket.listener is not None
                and not socket.options.conditional_accept
                and not (deciding.count and deciding.any())
            ):
                accepted = _take(provider, socket)
                if accepted is not None:
                    return accepted.descriptor
                if socket.nonblocking:
                    arguments.store_error(lpErrno, WSAEWOULDBLOCK)
                    return INVALID_SOCKET
            provider.check_not_deciding(s)
            return _accept(provider, provider.socket(s), addr, addrlen, lpfnCondition, dwCallbackData)
        except EntryFailure as failure:
            code = failure.code
        except MemoryError:
            code = WSAENOBUFS
        arguments.store_error(lpErrno, code)
        return INVALID_SOCKET

    return WSPAccept


def _accept(
    provider: "Provider",
    socket: Socket,
    addr: Any,
    addrlen: Any,
    condition: ConditionFunction | None,
    callback_data: Any,
) -> int:
    """WSPAccept: takes the oldest candidate that the condition function accepts and returns its descriptor.

    Raises EntryFailure. The length check comes before anything is taken from the queue (ACPT-12), and the address is
    stored only when the connection is accepted (ACPT-29).
    """
    result = None
    if addr is not None and addrlen is not None:  # ACPT-11: either alone is left untouched
        result = AddressResult(socket.family, addr, addrlen)
    if condition is not None and not callable(condition):
        raise EntryFailure(WSAEFAULT)  # ACPT-13
    if not socket.stream:
        raise EntryFailure(WSAEOPNOTSUPP)
    listener = socket.listener
    if listener is None:
        raise EntryFailure(WSAEINVAL)
    decide: Decide | None = None
    if condition is not None:
        asked = condition

        def decide(candidate: Endpoint) -> int | None:
            return provider.running_conditions.ask(socket, candidate, asked, callback_data)

    elif listener.conditional:
        # ACPT-32: without a condition function a request is accepted
        def decide(candidate: Endpoint) -> int | None:
            return CF_ACCEPT

    def take() -> Socket | None:
        return _take(provider, socket) if decide is None else _take_by_decision(provider, socket, decide)

    accepted = take()
    if accepted is None:
        if socket.nonblocking:
            raise EntryFailure(WSAEWOULDBLOCK)
        accepted = complete(provider, socket, take, ((listener, ACCEPTABLE | GONE),))
    if result is not None:
        assert accepted.remote is not None
        result.fill(accepted.family, accepted.remote)
    return accepted.descriptor


def _take(provider: "Provider", socket: Socket) -> Socket | None:
    """Returns a socket for the oldest finished connection, None when there is none."""
    with provider.lock:
        listener = _begin(provider, socket)
        if listener is None:
            return None
        accepted = socket.heir or socket.next_heir()  # before anything is taken: memory may be short (ACPT-6)
        endpoint = listener.accept()
        if isinstance(endpoint, int):
            if endpoint == WOULD_BLOCK:
                return None
            raise _lost(socket, endpoint)
        return _deliver(provider, socket, accepted, endpoint)


def _take_by_decision(provider: "Provider", socket: Socket, decide: Decide) -> Socket | None:
    """Selects the oldest candidate and does as `decide` says; None when there is none (or none yet: ACPT-32).

    A descriptor is set aside meanwhile: what is accepted shall not fail for want of one.
    """
    descriptors = provider.descriptors
    with provider.lock:
        listener = _begin(provider, socket)
        if listener is None:
            return None
        descriptors.reserve()
    try:
        accepted = _decide_on_oldest(provider, socket, listener, decide)
    except BaseException:
        with provider.lock:
            descriptors.unreserve()
        raise
    if accepted is None:
        with provider.lock:
            descriptors.unreserve()
    return accepted


def _begin(provider: "Provider", socket: Socket) -> Listener | None:
    """Returns the listener when a descriptor is free, None when none is but the queue is empty anyway.

    Raises EntryFailure WSAEINTR: closed; WSAEMFILE: the head of the queue stays where it is (ACPT-5, LISTEN-64).
    """
    listener = socket.listener
    if listener is None:
        raise EntryFailure(WSAEINTR)
    if not provider.descriptors.full():
        return listener
    if listener.waiting:
        raise EntryFailure(WSAEMFILE)
    return None


def _decide_on_oldest(provider: "Provider", socket: Socket, listener: Listener, decide: Decide) -> Socket | None:
    accepted = socket.new_heir()
    candidate = listener.select()
    if isinstance(candidate, int):
        if candidate == WOULD_BLOCK:
            return None
        raise _lost(socket, candidate)
    decision: int | None = CF_ACCEPT
    try:
        if candidate.status == OK and not candidate.approved:
            decision = None
            decision = decide(candidate)
    finally:
        if decision is None:
            listener.decide(candidate, _RELEASE)
            socket.wake()
    if decision is None:
        raise EntryFailure(WSAEINVAL)  # ACPT-27
    if candidate.status != OK:
        decision = CF_ACCEPT  # it is gone whatever was decided, and `decide` says how
    keep = not socket.nonblocking
    with provider.lock:
        status = listener.decide(candidate, decision, keep)
        if status == OK and decision == CF_ACCEPT:
            return _deliver(provider, socket, accepted, candidate, reserved=True)
    if decision == CF_DEFER:
        socket.wake()  # a thread that waits for the next candidate is to look at this one (ACPT-24)
    if status == OK:
        raise EntryFailure(_ENDS[decision])
    if status != WOULD_BLOCK:
        raise _lost(socket, status)
    return _finish_handshake(provider, socket, accepted, candidate) if keep else None


def _finish_handshake(provider: "Provider", socket: Socket, accepted: Socket, endpoint: Endpoint) -> Socket:
    """Waits until the request that was accepted is a connection (ACPT-32).

    Raises EntryFailure WSAEACCES: its peer has vanished.
    """

    def outcome() -> Socket | None:
        readiness = endpoint.readiness
        if readiness & CONNECTED:
            if endpoint.status != OK:
                raise _lost(socket, endpoint.status)
            with provider.lock:
                return _deliver(provider, socket, accepted, endpoint, reserved=True)
        if readiness & (FAILED | GONE):
            raise EntryFailure(WSAEINTR if socket.closed else WSAEACCES)
        return None

    try:
        return complete(provider, socket, outcome, ((endpoint, CONNECTED | FAILED | GONE),))
    except BaseException:
        endpoint.abort()
        raise


def _lost(socket: Socket, status: int) -> EntryFailure:
    """Returns the failure of an accept whose candidate is gone; ACPT-14: because the listener was closed."""
    return EntryFailure(WSAEINTR if socket.closed else _LOST.get(status, WSAENOBUFS))


def _deliver(
    provider: "Provider", socket: Socket, accepted: Socket, endpoint: Endpoint, *, reserved: bool = False
) -> Socket:
    """Gives the connection to its socket and the socket a descriptor, under the lock; reserved: one is set aside."""
    if socket.closed:
        endpoint.abort()
        raise EntryFailure(WSAEINTR)
    binding = socket.binding
    if binding is not None and binding.mode is _EXCLUSIVE:
        provider.bindings.accepted(binding, endpoint)
    socket.inherit(accepted, endpoint)
    provider.descriptors.add(accepted, reserved=reserved)
    return accepted
