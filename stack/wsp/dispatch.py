"""The 30 entries as the SPI declares them: signatures, failure values and `lpErrno` (GEN-1, GEN-16).

What an entry does stands in the module of its body, which raises EntryFailure; here its code goes to `*lpErrno`.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from stack.wsp import (
    accepting,
    arguments,
    binding,
    closing,
    connecting,
    creating,
    ioctls,
    listening,
    naming,
    options,
    readiness,
    transfer,
)
from stack.wsp.constants import INVALID_SOCKET, SOCKET_ERROR, WSAENOBUFS, WSAEOPNOTSUPP
from stack.wsp.errors import EntryFailure
from stack.wsp.structures import WSPPROC_TABLE

if TYPE_CHECKING:
    from stack.wsp.provider import Provider
    from stack.wsp.sockets import Socket

FALSE: Final = 0

Entry = Callable[..., int]


def failing_with(value: int) -> Callable[[Entry], Entry]:
    """Makes an entry of a method: an EntryFailure is stored in `*lpErrno`, the last argument, and `value` returned."""

    def decorate(method: Entry) -> Entry:
        @functools.wraps(method)
        def entry(*arguments_: Any, **named: Any) -> int:
            try:
                return method(*arguments_, **named)
            except EntryFailure as failure:
                code = failure.code
            except MemoryError:
                code = WSAENOBUFS
            arguments.store_error(named["lpErrno"] if "lpErrno" in named else arguments_[-1], code)
            return value

        return entry

    return decorate


class Entries:
    """The entries of one provider, as a client of one account calls them (BIND-21)."""

    def __init__(self, provider: "Provider", account: str) -> None:
        self._provider = provider
        self._account = account
        # what every connection passes: closures, which find what they need at hand
        self.WSPAccept = accepting.make_accept(provider)
        self.WSPCloseSocket = closing.make_close(provider)
        self.WSPSend = transfer.make_send(provider)
        self.WSPRecv = transfer.make_receive(provider)
        self.WSPSelect = readiness.make_select(provider)

    def fill(self, table: WSPPROC_TABLE) -> None:
        """Sets the 30 members of a procedure table."""
        for name in table.MEMBERS:
            setattr(table, name, getattr(self, name))

    def _socket(self, s: int) -> "Socket":
        return self._provider.socket(s)

    @failing_with(SOCKET_ERROR)
    def WSPAddressToString(
        self,
        lpsaAddress: Any,
        dwAddressLength: int,
        lpProtocolInfo: Any,
        lpszAddressString: Any,
        lpdwAddressStringLength: Any,
        lpErrno: Any,
    ) -> int:
        """Not built yet."""
        return self._not_built()

    @failing_with(SOCKET_ERROR)
    def WSPAsyncSelect(self, s: int, hWnd: Any, wMsg: int, lEvent: int, lpErrno: Any) -> int:
        """Not built yet."""
        return self._not_built(s)

    @failing_with(SOCKET_ERROR)
    def WSPBind(self, s: int, name: Any, namelen: int, lpErrno: Any) -> int:
        """Gives `s` its local address and port."""
        binding.bind(self._provider, self._socket(s), name, namelen)
        return 0

    @failing_with(SOCKET_ERROR)
    def WSPCancelBlockingCall(self, lpErrno: Any) -> int:
        """Not built yet."""
        return self._not_built()

    @failing_with(SOCKET_ERROR)
    def WSPCleanup(self, lpErrno: Any) -> int:
        """Balances one WSPStartup; the last one ends all sockets."""
        self._provider.cleanup()
        return 0

    @failing_with(SOCKET_ERROR)
    def WSPConnect(
        self,
        s: int,
        name: Any,
        namelen: int,
        lpCallerData: Any,
        lpCalleeData: Any,
        lpSQOS: Any,
        lpGQOS: Any,
        lpErrno: Any,
    ) -> int:
        """Connects `s` to the address `name`."""
        socket = self._socket(s)
        connecting.connect(self._provider, socket, name, namelen, lpCallerData, lpCalleeData, (lpSQOS, lpGQOS))
        return 0

    @failing_with(SOCKET_ERROR)
    def WSPDuplicateSocket(self, s: int, dwProcessId: int, lpProtocolInfo: Any, lpErrno: Any) -> int:
        """Not built yet."""
        return self._not_built(s)

    @failing_with(SOCKET_ERROR)
    def WSPEnumNetworkEvents(self, s: int, hEventObject: Any, lpNetworkEvents: Any, lpErrno: Any) -> int:
        """Not built yet."""
        return self._not_built(s)

    @failing_with(SOCKET_ERROR)
    def WSPEventSelect(self, s: int, hEventObject: Any, lNetworkEvents: int, lpErrno: Any) -> int:
        """Not built yet."""
        return self._not_built(s)

    @failing_with(FALSE)
    def WSPGetOverlappedResult(
        self, s: int, lpOverlapped: Any, lpcbTransfer: Any, fWait: int, lpdwFlags: Any, lpErrno: Any
    ) -> int:
        """Not built yet."""
        return self._not_built(s)

    @failing_with(SOCKET_ERROR)
    def WSPGetPeerName(self, s: int, name: Any, namelen: Any, lpErrno: Any) -> int:
        """Gives the address of the peer."""
        naming.get_peer_name(self._provider, self._socket(s), name, namelen)
        return 0

    @failing_with(SOCKET_ERROR)
    def WSPGetSockName(self, s: int, name: Any, namelen: Any, lpErrno: Any) -> int:
        """Gives the local address."""
        naming.get_sock_name(self._provider, self._socket(s), name, namelen)
        return 0

    @failing_with(SOCKET_ERROR)
    def WSPGetSockOpt(self, s: int, level: int, optname: int, optval: Any, optlen: Any, lpErrno: Any) -> int:
        """Reads an option."""
        options.get_option(self._provider, lambda: self._socket(s), level, optname, optval, optlen)
        return 0

    @failing_with(FALSE)
    def WSPGetQOSByName(self, s: int, lpQOSName: Any, lpQOS: Any, lpErrno: Any) -> int:
        """Not built yet."""
        return self._not_built(s)

    @failing_with(SOCKET_ERROR)
    def WSPIoctl(
        self,
        s: int,
        dwIoControlCode: int,
        lpvInBuffer: Any,
        cbInBuffer: int,
        lpvOutBuffer: Any,
        cbOutBuffer: int,
        lpcbBytesReturned: Any,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        """Controls the mode of a socket."""
        ioctls.control(
            self._provider,
            self._socket(s),
            dwIoControlCode,
            (lpvInBuffer, cbInBuffer),
            (lpvOutBuffer, cbOutBuffer),
            lpcbBytesReturned,
            lpOverlapped,
        )
        return 0

    @failing_with(INVALID_SOCKET)
    def WSPJoinLeaf(
        self,
        s: int,
        name: Any,
        namelen: int,
        lpCallerData: Any,
        lpCalleeData: Any,
        lpSQOS: Any,
        lpGQOS: Any,
        dwFlags: int,
        lpErrno: Any,
    ) -> int:
        """Not built yet."""
        return self._not_built(s)

    @failing_with(SOCKET_ERROR)
    def WSPListen(self, s: int, backlog: int, lpErrno: Any) -> int:
        """Makes `s` wait for connections, at most `backlog` of them un-accepted."""
        self._provider.check_not_deciding(s, any_listener=True)
        listening.listen(self._provider, self._socket(s), backlog)
        return 0

    @failing_with(SOCKET_ERROR)
    def WSPRecvDisconnect(self, s: int, lpInboundDisconnectData: Any, lpErrno: Any) -> int:
        """Not built yet."""
        return self._not_built(s)

    @failing_with(SOCKET_ERROR)
    def WSPRecvFrom(
        self,
        s: int,
        lpBuffers: Any,
        dwBufferCount: int,
        lpNumberOfBytesRecvd: Any,
        lpFlags: Any,
        lpFrom: Any,
        lpFromlen: Any,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        """Not built yet."""
        return self._not_built(s)

    @failing_with(SOCKET_ERROR)
    def WSPSendDisconnect(self, s: int, lpOutboundDisconnectData: Any, lpErrno: Any) -> int:
        """Not built yet."""
        return self._not_built(s)

    @failing_with(SOCKET_ERROR)
    def WSPSendTo(
        self,
        s: int,
        lpBuffers: Any,
        dwBufferCount: int,
        lpNumberOfBytesSent: Any,
        dwFlags: int,
        lpTo: Any,
        iTolen: int,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        """Not built yet."""
        return self._not_built(s)

    @failing_with(SOCKET_ERROR)
    def WSPSetSockOpt(self, s: int, level: int, optname: int, optval: Any, optlen: int, lpErrno: Any) -> int:
        """Sets an option."""
        options.set_option(self._provider, lambda: self._socket(s), level, optname, optval, optlen)
        return 0

    @failing_with(SOCKET_ERROR)
    def WSPShutdown(self, s: int, how: int, lpErrno: Any) -> int:
        """Ends sending, receiving or both."""
        closing.shutdown(self._provider, self._socket(s), how)
        return 0

    @failing_with(INVALID_SOCKET)
    def WSPSocket(
        self,
        af: int,
        type: int,  # noqa: A002
        protocol: int,
        lpProtocolInfo: Any,
        g: int,
        dwFlags: int,
        lpErrno: Any,
        *,
        account: str | None = None,
    ) -> int:
        """Makes a socket; returns its descriptor or INVALID_SOCKET.

        account: whose it is, in place of that of the table (BIND-21).
        """
        self._provider.check_started()
        account = self._account if account is None else account
        return creating.create(self._provider, (af, type, protocol), lpProtocolInfo, g, dwFlags, account)

    @failing_with(SOCKET_ERROR)
    def WSPStringToAddress(
        self,
        AddressString: Any,
        AddressFamily: int,
        lpProtocolInfo: Any,
        lpAddress: Any,
        lpAddressLength: Any,
        lpErrno: Any,
    ) -> int:
        """Not built yet."""
        return self._not_built()

    def _not_built(self, s: int | None = None) -> int:
        """Raises EntryFailure: what GEN-4 puts first, then WSAEOPNOTSUPP (GEN-16)."""
        if s is None:
            self._provider.check_started()
        else:
            self._socket(s)
        raise EntryFailure(WSAEOPNOTSUPP)
