"""Provider: the service provider of one host. WSPStartup begins its use and hands out the procedure table."""

import itertools
import logging
import threading
import weakref
from typing import Any, Final

from netcore.engine import Engine, congestion_names
from netcore.keyring import Keyring
from stack.config import StackConfig
from stack.driving import Driver
from stack.wsp import arguments, closing
from stack.wsp.binding import COMMON_ACCOUNT, Bindings
from stack.wsp.conditions import RunningConditions
from stack.wsp.constants import (
    AF_INET,
    IPPROTO_TCP,
    IPPROTO_UDP,
    PFL_MATCHES_PROTOCOL_ZERO,
    SOCK_DGRAM,
    SOCK_STREAM,
    WSAEFAULT,
    WSAEINPROGRESS,
    WSAENETDOWN,
    WSAENOTCONN,
    WSAENOTSOCK,
    WSAEOPNOTSUPP,
    WSANOTINITIALISED,
    WSASYSNOTREADY,
    WSAVERNOTSUPPORTED,
    XP1_EXPEDITED_DATA,
    XP1_GRACEFUL_CLOSE,
    XP1_GUARANTEED_DELIVERY,
    XP1_GUARANTEED_ORDER,
    XP1_IFS_HANDLES,
)
from stack.wsp.dispatch import Entries
from stack.wsp.errors import EntryFailure
from stack.wsp.sockets import DescriptorTable, Socket
from stack.wsp.structures import WSAPROTOCOL_INFOW, WSPDATA, WSPPROC_TABLE, WSPUPCALLTABLE
from stack.wsp.versions import Version, negotiate

LOG = logging.getLogger("wspstack.wsp")

LOWEST_VERSION: Final = Version(2, 2)
HIGHEST_VERSION: Final = Version(2, 2)
DESCRIPTION: Final = "wspstack user-space TCP/IP"

_catalog: Final["weakref.WeakValueDictionary[int, Provider]"] = weakref.WeakValueDictionary()
_catalog_ids: Final = itertools.count(1001)


class Provider:
    """The socket layer over one driver.

    lock guards the tables here; it is never held while a call waits.
    """

    def __init__(self, driver: Driver, config: StackConfig) -> None:
        self.driver = driver
        self.config: StackConfig = config
        self.lock = threading.RLock()
        self.descriptors = DescriptorTable(config.max_descriptors)
        self.bindings = Bindings(driver.engine, config.ephemeral_low, config.ephemeral_high)
        self.listeners = 0
        self.running_conditions = RunningConditions()
        self.upcalls: WSPUPCALLTABLE | None = None
        self.catalog_entry = next(_catalog_ids)
        self._starts = 0
        self._down = False
        self._stranded: set[int] = set()
        self._entries: dict[str, Entries] = {}
        _catalog[self.catalog_entry] = self

    @property
    def engine(self) -> Engine:
        """The host."""
        return self.driver.engine

    @property
    def protocols(self) -> list[WSAPROTOCOL_INFOW]:
        """The catalog's records of this provider: TCP and UDP over IPv4."""
        return [self._record(SOCK_STREAM, IPPROTO_TCP), self._record(SOCK_DGRAM, IPPROTO_UDP)]

    def WSPStartup(
        self,
        wVersionRequested: int,
        lpWSPData: Any,
        lpProtocolInfo: Any,
        UpcallTable: Any,
        lpProcTable: Any,
        *,
        account: str = COMMON_ACCOUNT,
    ) -> int:
        """Begins the use of the provider and fills `lpProcTable`; returns 0 or the code itself (START-1).

        wVersionRequested: low byte major, high byte minor (START-2). lpProtocolInfo and UpcallTable may be None.
        account: whose sockets WSPSocket of this table makes (BIND-21).
        """
        try:
            data = arguments.structure(lpWSPData, WSPDATA)
        except EntryFailure as failure:
            return failure.code
        if not isinstance(lpProcTable, WSPPROC_TABLE) or not (
            UpcallTable is None or isinstance(UpcallTable, WSPUPCALLTABLE)
        ):
            return WSAEFAULT
        version = negotiate(Version.of_word(wVersionRequested), LOWEST_VERSION, HIGHEST_VERSION)
        if version is None:
            return WSAVERNOTSUPPORTED
        with self.lock:
            if self._down:
                return WSASYSNOTREADY
            self._starts += 1
            self.upcalls = UpcallTable
            entries = self._entries.get(account)
            if entries is None:
                entries = self._entries[account] = Entries(self, account)
        data.wVersion = version.word
        data.wHighVersion = HIGHEST_VERSION.word
        data.szDescription = DESCRIPTION
        entries.fill(lpProcTable)
        LOG.info("started, version %d.%d", *version)
        return 0

    def cleanup(self) -> None:
        """WSPCleanup: the last one resets every open socket (CLEAN-1, CLEAN-2). Raises EntryFailure."""
        with self.lock:
            if not self._starts:
                raise EntryFailure(WSANOTINITIALISED)
            self._starts -= 1
            if not self._starts:
                self._end()

    def end(self) -> None:
        """Does the last cleanup, however often the provider was started."""
        with self.lock:
            self._starts = 0
            self._end()

    def network_down(self) -> None:
        """Tells that the device is gone: from now on entries fail with WSAENETDOWN until the last cleanup."""
        with self.lock:
            self._down = True
            self._stranded.update(self.descriptors.live)
            for socket in self.descriptors:
                closing.discard(self, socket)
        LOG.error("the network is down")

    def socket(self, descriptor: int) -> Socket:
        """Returns the socket of a descriptor.

        Raises EntryFailure in the order of GEN-4: WSANOTINITIALISED, WSAENOTSOCK, WSAENETDOWN.
        """
        socket = self.descriptors.live.get(descriptor)
        if socket is None:
            if not self._starts:
                raise EntryFailure(WSANOTINITIALISED)
            raise EntryFailure(WSAENETDOWN if descriptor in self._stranded else WSAENOTSOCK)
        return socket

    def use_congestion(self, descriptor: int, name: str) -> None:
        """Chooses the congestion control of a socket and of what it accepts from now on (REC-5).

        name: one of `netcore.engine.congestion_names()`. Raises ValueError for another, EntryFailure WSAEOPNOTSUPP for
        a datagram socket, and what `socket` raises.
        """
        if name not in congestion_names():
            raise ValueError(f"there is no congestion control {name!r}; there are {', '.join(congestion_names())}")
        socket = self.socket(descriptor)
        with self.lock:
            socket.begin()
            if not socket.stream:
                raise EntryFailure(WSAEOPNOTSUPP)
            socket.change_options(congestion=name)
            if socket.endpoint is not None:
                socket.endpoint.congestion = name

    def request_key(self, descriptor: int, receive_id: int) -> None:
        """Asks the peer of a connected socket to sign with another key of TCP-AO (RFC 5925 7.3, TCPX-7).

        Raises ValueError as Keyring.request, EntryFailure WSAENOTCONN without a connection, and what `socket` raises.
        """
        socket = self.socket(descriptor)
        with self.lock:
            socket.begin()
            if socket.endpoint is None:
                raise EntryFailure(WSAENOTCONN)
            Keyring(self.engine).request(socket.endpoint, receive_id)

    def check_not_deciding(self, descriptor: int, *, any_listener: bool = False) -> None:
        """Raises EntryFailure WSAEINPROGRESS inside a condition function of the calling thread (GEN-4, ACPT-28).

        descriptor: of the entry; one that is no socket is left to the next check. any_listener: forbidden in every
        condition function (LISTEN-79), not only in that of the socket itself.
        """
        deciding = self.running_conditions
        if (deciding.any() if any_listener else deciding.of(descriptor)) and (
            descriptor in self.descriptors.live or descriptor in self._stranded
        ):
            raise EntryFailure(WSAEINPROGRESS)

    def check_started(self) -> None:
        """Raises EntryFailure WSANOTINITIALISED when nothing was started, WSAENETDOWN when the device is gone."""
        if not self._starts:
            raise EntryFailure(WSANOTINITIALISED)
        if self._down:
            raise EntryFailure(WSAENETDOWN)

    def _end(self) -> None:
        self._stranded.clear()
        open_sockets = list(self.descriptors)
        for socket in open_sockets:
            closing.discard(self, socket)
        LOG.info("last cleanup, %d open sockets reset", len(open_sockets))

    def _record(self, type_: int, protocol: int) -> WSAPROTOCOL_INFOW:
        stream = type_ == SOCK_STREAM
        record = WSAPROTOCOL_INFOW()
        record.dwServiceFlags1 = XP1_IFS_HANDLES
        if stream:
            record.dwServiceFlags1 |= (
                XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER | XP1_GRACEFUL_CLOSE | XP1_EXPEDITED_DATA
            )
        record.dwProviderFlags = PFL_MATCHES_PROTOCOL_ZERO
        record.dwCatalogEntryId = self.catalog_entry
        record.ProtocolChain.ChainLen = 1
        record.iVersion = 2
        record.iAddressFamily = AF_INET
        record.iMaxSockAddr = record.iMinSockAddr = 16
        record.iSocketType = type_
        record.iProtocol = protocol
        record.dwMessageSize = 0 if stream else 65507
        record.szProtocol = f"{DESCRIPTION} [{'TCP' if stream else 'UDP'}/IP]"
        return record


def WSPStartup(
    wVersionRequested: int,
    lpWSPData: Any,
    lpProtocolInfo: Any,
    UpcallTable: Any,
    lpProcTable: Any,
    *,
    account: str = COMMON_ACCOUNT,
) -> int:
    """Begins the use of the provider whose `protocols` hold the record `lpProtocolInfo`; returns 0 or a code.

    With several stacks in one process the record's catalog entry tells them apart. WSASYSNOTREADY: no such provider.
    account: as for `Provider.WSPStartup`.
    """
    try:
        record = arguments.structure(lpProtocolInfo, WSAPROTOCOL_INFOW)
    except EntryFailure as failure:
        return failure.code
    provider = _catalog.get(record.dwCatalogEntryId)
    if provider is None:
        return WSASYSNOTREADY
    return provider.WSPStartup(wVersionRequested, lpWSPData, lpProtocolInfo, UpcallTable, lpProcTable, account=account)
