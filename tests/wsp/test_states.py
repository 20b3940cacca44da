"""The state matrix for stream sockets (wsp.md section 1.2), every cell whose entry and state exist."""

from collections.abc import Callable

import pytest

from stack.wsp import constants as ws
from tests.wsp.hosts import LEFT, NOWHERE, RIGHT, Caller, TwoHosts

STATES = ["U", "B", "L", "Cn", "E", "Es", "Ef", "R"]
MATRIX = {
    "Bind": "ok INVAL INVAL INVAL INVAL INVAL INVAL INVAL",
    "Listen": "INVAL ok ok INVAL ISCONN ISCONN ISCONN ISCONN",
    "Accept": "INVAL INVAL WOULDBLOCK INVAL INVAL INVAL INVAL INVAL",
    "Connect": "ok ok INVAL ALREADY ISCONN ISCONN ISCONN ISCONN",
    "Send": "NOTCONN NOTCONN NOTCONN NOTCONN ok SHUTDOWN ok CONNRESET",
    "Recv": "NOTCONN NOTCONN NOTCONN NOTCONN WOULDBLOCK WOULDBLOCK ok CONNRESET",
    "Shutdown": "NOTCONN NOTCONN NOTCONN NOTCONN ok ok ok NOTCONN",
    "GetSockName": "INVAL ok ok ok ok ok ok ok",
    "GetPeerName": "NOTCONN NOTCONN NOTCONN ok ok ok ok ok",
}


def in_state(hosts: TwoHosts, state: str) -> int:
    """Returns a non-blocking socket of the left host in a state."""
    left, right = hosts.left, hosts.right
    if state == "U":
        s = left.tcp()
    elif state == "B":
        s = left.bound(4000)
    elif state == "L":
        s = left.listening(4000)
    elif state == "Cn":
        s = left.nonblocking(left.tcp())
        assert left.connect_code(s, 80, NOWHERE) == ws.WSAEWOULDBLOCK
    else:
        s, peer = hosts.connection()
        if state == "Es":
            left.ok("WSPShutdown", s, ws.SD_SEND)
        if state == "Ef":
            right.ok("WSPShutdown", peer, ws.SD_SEND)
        if state == "R":
            right.set_linger(peer, 1, 0)
            right.close(peer)
        hosts.run()
    return left.nonblocking(s)


ENTRIES: dict[str, Callable[[Caller, int], int]] = {
    "Bind": lambda caller, s: caller.bind_code(s, 5000),
    "Listen": lambda caller, s: caller.code("WSPListen", s, 5),
    "Accept": lambda caller, s: caller.accept_code(s),
    "Connect": lambda caller, s: caller.connect_code(s, 80, RIGHT),
    "Send": lambda caller, s: caller.send_code(s, b"x"),
    "Recv": lambda caller, s: caller.receive_code(s),
    "Shutdown": lambda caller, s: caller.code("WSPShutdown", s, ws.SD_SEND),
    "GetSockName": lambda caller, s: 0 if caller.local(s)[1] else -1,
    "GetPeerName": lambda caller, s: 0 if caller.peer(s)[0] in (RIGHT, NOWHERE) else -1,
}


@pytest.mark.requirement("GEN-18")
@pytest.mark.parametrize("entry", MATRIX)
@pytest.mark.parametrize("state", STATES)
def test_entry_in_a_state_answers_as_the_matrix_says(hosts: TwoHosts, entry: str, state: str) -> None:
    s = in_state(hosts, state)
    expected = MATRIX[entry].split()[STATES.index(state)]
    if entry.startswith("Get") and expected != "ok":
        code = hosts.left.code(f"WSP{entry}", s, bytearray(16), None)
    else:
        code = ENTRIES[entry](hosts.left, s)
    if entry == "Connect" and expected == "ok":
        expected = "WOULDBLOCK"  # it proceeds, without waiting
    assert code == (0 if expected == "ok" else getattr(ws, f"WSAE{expected}"))


@pytest.mark.requirement("GEN-18")
def test_socket_whose_connect_failed_is_in_state_b(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.tcp()
    assert left.connect_code(s, 80, RIGHT) == ws.WSAECONNREFUSED
    assert left.bind_code(s, 5000) == ws.WSAEINVAL
    assert left.send_code(s, b"x") == ws.WSAENOTCONN
    assert left.code("WSPGetPeerName", s, bytearray(16), None) == ws.WSAENOTCONN
    assert left.local(s)[0] in ("0.0.0.0", LEFT)
    left.ok("WSPListen", s, 5)
