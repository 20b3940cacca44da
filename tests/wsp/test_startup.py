"""WSPStartup, WSPCleanup and the procedure table."""

import ctypes

import pytest

import stack.wsp
from stack.wsp import constants as ws
from stack.wsp.structures import WSPDATA, WSPPROC_TABLE, WSPUPCALLTABLE
from stack.wsp.versions import Version, negotiate
from tests.wsp.hosts import RIGHT, Caller, TwoHosts, two_hosts

ORDER = [
    "WSPAccept",
    "WSPAddressToString",
    "WSPAsyncSelect",
    "WSPBind",
    "WSPCancelBlockingCall",
    "WSPCleanup",
    "WSPCloseSocket",
    "WSPConnect",
    "WSPDuplicateSocket",
    "WSPEnumNetworkEvents",
    "WSPEventSelect",
    "WSPGetOverlappedResult",
    "WSPGetPeerName",
    "WSPGetSockName",
    "WSPGetSockOpt",
    "WSPGetQOSByName",
    "WSPIoctl",
    "WSPJoinLeaf",
    "WSPListen",
    "WSPRecv",
    "WSPRecvDisconnect",
    "WSPRecvFrom",
    "WSPSelect",
    "WSPSend",
    "WSPSendDisconnect",
    "WSPSendTo",
    "WSPSetSockOpt",
    "WSPShutdown",
    "WSPSocket",
    "WSPStringToAddress",
]

# Entries of this provider that are not built yet: (name, number of arguments before lpErrno, failure value).
NOT_BUILT = [
    ("WSPAddressToString", 5, -1),
    ("WSPCancelBlockingCall", 0, -1),
    ("WSPStringToAddress", 5, -1),
]
NOT_BUILT_ON_SOCKETS = [
    ("WSPAsyncSelect", 3, -1),
    ("WSPDuplicateSocket", 2, -1),
    ("WSPEnumNetworkEvents", 2, -1),
    ("WSPEventSelect", 2, -1),
    ("WSPGetOverlappedResult", 4, 0),
    ("WSPGetQOSByName", 2, 0),
    ("WSPJoinLeaf", 7, ws.INVALID_SOCKET),
    ("WSPRecvDisconnect", 1, -1),
    ("WSPRecvFrom", 9, -1),
    ("WSPSendDisconnect", 1, -1),
    ("WSPSendTo", 9, -1),
]


@pytest.mark.requirement("GEN-16")
def test_startup_fills_the_thirty_entries_in_order(hosts: TwoHosts) -> None:
    assert list(WSPPROC_TABLE.MEMBERS) == ORDER
    assert len(hosts.left.table) == 30
    assert all(callable(entry) for entry in hosts.left.table)


@pytest.mark.requirement("GEN-16")
def test_startup_is_the_only_exported_name() -> None:
    assert stack.wsp.__all__ == ["WSPStartup"]


@pytest.mark.requirement("GEN-17")
def test_upcall_table_has_fifteen_members_in_order() -> None:
    assert WSPUPCALLTABLE.MEMBERS[0] == "WPUCloseEvent"
    assert WSPUPCALLTABLE.MEMBERS[-1] == "WPUCloseThread"
    assert len(WSPUPCALLTABLE.MEMBERS) == 15


@pytest.mark.requirement("GEN-16", "GEN-1")
@pytest.mark.parametrize(("entry", "arguments", "failure"), NOT_BUILT)
def test_entry_not_built_fails_with_opnotsupp(hosts: TwoHosts, entry: str, arguments: int, failure: int) -> None:
    assert hosts.left.attempt(entry, *[None] * arguments) == (failure, ws.WSAEOPNOTSUPP)


@pytest.mark.requirement("GEN-16", "GEN-4", "GEN-5")
@pytest.mark.parametrize(("entry", "arguments", "failure"), NOT_BUILT_ON_SOCKETS)
def test_socket_entry_not_built_looks_at_the_socket_first(
    hosts: TwoHosts, entry: str, arguments: int, failure: int
) -> None:
    s = hosts.left.tcp()
    assert hosts.left.attempt(entry, s, *[None] * arguments) == (failure, ws.WSAEOPNOTSUPP)
    assert hosts.left.attempt(entry, 3, *[None] * arguments) == (failure, ws.WSAENOTSOCK)


@pytest.mark.requirement("START-2")
@pytest.mark.parametrize("requested", [0x0202, 0x0302, 0x0003])
def test_version_two_two_and_above_gets_two_two(hosts: TwoHosts, requested: int) -> None:
    data = WSPDATA()
    assert hosts.left.provider.WSPStartup(requested, data, None, None, WSPPROC_TABLE()) == 0
    assert (data.wVersion, data.wHighVersion) == (0x0202, 0x0202)


@pytest.mark.requirement("START-2")
@pytest.mark.parametrize("requested", [0x0101, 0x0002, 0x0000])
def test_version_below_two_two_is_not_supported(hosts: TwoHosts, requested: int) -> None:
    result = hosts.left.provider.WSPStartup(requested, WSPDATA(), None, None, WSPPROC_TABLE())
    assert result == ws.WSAVERNOTSUPPORTED


@pytest.mark.requirement("START-4")
@pytest.mark.parametrize(
    ("lowest", "highest", "requested", "outcome"),
    [
        ((1, 1), (1, 1), (2, 0), (1, 1)),
        ((1, 0), (1, 1), (1, 0), (1, 0)),
        ((1, 1), (1, 1), (1, 0), None),
    ],
)
def test_negotiation_gives_the_smaller_of_highest_and_requested(
    lowest: tuple[int, int], highest: tuple[int, int], requested: tuple[int, int], outcome: tuple[int, int] | None
) -> None:
    assert negotiate(Version(*requested), Version(*lowest), Version(*highest)) == outcome


@pytest.mark.requirement("START-1")
def test_startup_without_data_or_table_is_a_fault(hosts: TwoHosts) -> None:
    start = hosts.left.provider.WSPStartup
    assert start(0x0202, None, None, None, WSPPROC_TABLE()) == ws.WSAEFAULT
    assert start(0x0202, WSPDATA(), None, None, None) == ws.WSAEFAULT


@pytest.mark.requirement("START-1")
def test_startup_finds_the_provider_of_the_protocol_record(hosts: TwoHosts) -> None:
    table = WSPPROC_TABLE()
    record = hosts.right.provider.protocols[0]
    assert stack.wsp.WSPStartup(0x0202, ctypes.byref(WSPDATA()), ctypes.byref(record), None, table) == 0
    s = table.WSPSocket(0, 0, 6, None, 0, 1, None)
    assert hosts.right.bind_code(s, 80) == 0
    record.dwCatalogEntryId = 1
    assert stack.wsp.WSPStartup(0x0202, WSPDATA(), record, None, table) == ws.WSASYSNOTREADY
    assert stack.wsp.WSPStartup(0x0202, WSPDATA(), None, None, table) == ws.WSAEFAULT


@pytest.mark.requirement("START-3", "CLEAN-1")
def test_starts_are_counted(hosts: TwoHosts) -> None:
    left = hosts.left
    assert left.provider.WSPStartup(0x0202, WSPDATA(), None, None, WSPPROC_TABLE()) == 0
    s = left.tcp()
    left.ok("WSPCleanup")
    assert left.bind_code(s, 80) == 0
    left.ok("WSPCleanup")
    assert left.code("WSPCleanup") == ws.WSANOTINITIALISED
    assert left.bind_code(s, 80) == ws.WSANOTINITIALISED


@pytest.mark.requirement("START-3")
def test_upcalls_of_the_latest_start_are_used(hosts: TwoHosts) -> None:
    upcalls = WSPUPCALLTABLE(WPUPostMessage=lambda *arguments: 1)
    assert hosts.left.provider.WSPStartup(0x0202, WSPDATA(), None, upcalls, WSPPROC_TABLE()) == 0
    assert hosts.left.provider.upcalls is upcalls


@pytest.mark.requirement("GEN-4")
def test_every_entry_without_start_is_not_initialised(hosts: TwoHosts) -> None:
    left = hosts.left
    left.ok("WSPCleanup")
    counts = {name: count for name, count, _ in NOT_BUILT + NOT_BUILT_ON_SOCKETS}
    counts |= {"WSPAccept": 4, "WSPBind": 2, "WSPCloseSocket": 0, "WSPConnect": 6, "WSPGetPeerName": 2}
    counts |= {"WSPGetSockName": 2, "WSPGetSockOpt": 4, "WSPIoctl": 9, "WSPListen": 1, "WSPRecv": 7, "WSPSelect": 4}
    counts |= {"WSPSend": 7, "WSPSetSockOpt": 4, "WSPShutdown": 1, "WSPSocket": 5, "WSPCleanup": -1}
    without_socket = {name for name, *_ in NOT_BUILT}
    for entry in WSPPROC_TABLE.MEMBERS:
        arguments = [4] * (counts[entry] + (entry not in without_socket))
        error = ctypes.c_int()
        getattr(left.table, entry)(*arguments, error)
        assert error.value == ws.WSANOTINITIALISED, entry


@pytest.mark.requirement("CLEAN-2")
def test_last_cleanup_resets_open_connections(hosts: TwoHosts) -> None:
    _, right = hosts.connection()
    hosts.left.ok("WSPCleanup")
    hosts.run()
    assert hosts.right.receive_code(right) == ws.WSAECONNRESET


@pytest.mark.requirement("CLEAN-2")
def test_last_cleanup_cancels_a_waiting_call(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80)
    hosts.driver.after(1000, lambda: hosts.right.ok("WSPCleanup"))
    assert hosts.right.accept_code(listener) == ws.WSAEINTR


@pytest.mark.requirement("CLEAN-3")
def test_data_of_closed_sockets_is_delivered_after_the_last_cleanup(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"last words" * 1000)
    hosts.left.close(left)
    hosts.left.ok("WSPCleanup")
    assert hosts.right.receive_all(right, 10000) == b"last words" * 1000
    assert hosts.right.receive(right) == b""


@pytest.mark.requirement("CLEAN-4")
def test_provider_starts_again_and_old_descriptors_are_unknown(hosts: TwoHosts) -> None:
    left = hosts.left
    old = left.tcp()
    left.ok("WSPCleanup")
    assert left.provider.WSPStartup(0x0202, WSPDATA(), None, None, left.table) == 0
    new = left.tcp()
    assert new != old
    assert left.bind_code(old, 80) == ws.WSAENOTSOCK
    assert left.bind_code(new, 80) == 0


@pytest.mark.requirement("GEN-4", "BIND-13", "LISTEN-9")
def test_entries_report_that_the_network_is_down() -> None:
    hosts = two_hosts()
    caller: Caller = hosts.left
    s = caller.bound(80)
    caller.provider.network_down()
    assert caller.code("WSPListen", s, 5) == ws.WSAENETDOWN
    assert caller.code("WSPListen", 3, 5) == ws.WSAENOTSOCK
    assert caller.connect_code(s, 80, RIGHT) == ws.WSAENETDOWN
    assert caller.code("WSPSocket", 2, 1, 6, None, 0, 1) == ws.WSAENETDOWN
