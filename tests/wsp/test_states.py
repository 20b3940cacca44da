"""The state matrix for stream sockets (wsp.md section 1.2): each cell is a requirement.

The states Cx and R after ConnectEx, and the row ConnectEx, wait for the extension functions.
"""

from collections.abc import Callable

import pytest

from stack.wsp import constants as ws
from tests.wsp.hosts import LEFT, NOWHERE, RIGHT, Caller, TwoHosts

# As the specification has it. `ok`: proceeds; `terminal`: the code of GEN-11; codes abbreviate WSAE...
MATRIX = """
| Entry       | U       | B       | L           | Cn      | E      | Es       | Ef          | R        |
|-------------|---------|---------|-------------|---------|--------|----------|-------------|----------|
| Bind        | ok      | INVAL   | INVAL       | INVAL   | INVAL  | INVAL    | INVAL       | INVAL    |
| Listen      | INVAL   | ok      | ok (update) | INVAL   | ISCONN | ISCONN   | ISCONN      | ISCONN   |
| Accept      | INVAL   | INVAL   | ok          | INVAL   | INVAL  | INVAL    | INVAL       | INVAL    |
| Connect     | ok      | ok      | INVAL       | ALREADY | ISCONN | ISCONN   | ISCONN      | ISCONN   |
| Send        | NOTCONN | NOTCONN | NOTCONN     | NOTCONN | ok     | SHUTDOWN | ok          | terminal |
| Recv        | NOTCONN | NOTCONN | NOTCONN     | NOTCONN | ok     | ok       | data then 0 | terminal |
| Shutdown    | NOTCONN | NOTCONN | NOTCONN     | NOTCONN | ok     | ok       | ok          | NOTCONN  |
| GetSockName | INVAL   | ok      | ok          | ok      | ok     | ok       | ok          | ok       |
| GetPeerName | NOTCONN | NOTCONN | NOTCONN     | ok      | ok     | ok       | ok          | ok       |
"""

HEADER, _, *ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in MATRIX.strip().splitlines()]
CELLS = [(row[0], state, cell) for row in ROWS for state, cell in zip(HEADER[1:], row[1:], strict=True)]


def connection_of(hosts: TwoHosts) -> tuple[int, int]:
    """A connection with data under way to the left host, which Recv of the states E, Es and Ef finds."""
    s, peer = hosts.connection()
    hosts.right.send(peer, b"data")
    hosts.run()
    return s, peer


def established(hosts: TwoHosts) -> int:
    return connection_of(hosts)[0]


def sending_shut(hosts: TwoHosts) -> int:
    s, _ = connection_of(hosts)
    hosts.left.ok("WSPShutdown", s, ws.SD_SEND)
    return s


def peer_finished(hosts: TwoHosts) -> int:
    s, peer = connection_of(hosts)
    hosts.right.ok("WSPShutdown", peer, ws.SD_SEND)
    return s


def reset(hosts: TwoHosts) -> int:
    s, peer = hosts.connection()
    hosts.right.set_linger(peer, 1, 0)
    hosts.right.close(peer)
    return s


def connecting(hosts: TwoHosts) -> int:
    s = hosts.left.nonblocking(hosts.left.tcp())
    assert hosts.left.connect_code(s, 80, NOWHERE) == ws.WSAEWOULDBLOCK
    return s


def refused(hosts: TwoHosts) -> int:
    s = hosts.left.bound(4000)
    assert hosts.left.connect_code(s, 99, RIGHT) == ws.WSAECONNREFUSED
    return s


def pending(hosts: TwoHosts) -> int:
    s = hosts.left.listening(4000)
    hosts.right.connected(4000, LEFT)
    return s


MAKERS: dict[str, list[Callable[[TwoHosts], int]]] = {
    "U": [lambda hosts: hosts.left.tcp()],
    "B": [lambda hosts: hosts.left.bound(4000), refused],
    "L": [pending],
    "Cn": [connecting],
    "E": [established],
    "Es": [sending_shut],
    "Ef": [peer_finished],
    "R": [reset],
}

# Connect proceeds: on a non-blocking socket it says that the handshake goes on.
PROCEEDS = {"Connect": ws.WSAEWOULDBLOCK}

ENTRIES: dict[str, Callable[[Caller, int], int]] = {
    "Bind": lambda caller, s: caller.bind_code(s, 5000),
    "Listen": lambda caller, s: caller.code("WSPListen", s, 5),
    "Accept": lambda caller, s: caller.accept_code(s),
    "Connect": lambda caller, s: caller.connect_code(s, 80, RIGHT),
    "Send": lambda caller, s: caller.send_code(s, b"x"),
    "Recv": lambda caller, s: caller.receive_code(s),
    "Shutdown": lambda caller, s: caller.code("WSPShutdown", s, ws.SD_SEND),
    "GetSockName": lambda caller, s: caller.name_code("WSPGetSockName", s),
    "GetPeerName": lambda caller, s: caller.name_code("WSPGetPeerName", s),
}


@pytest.mark.requirement("GEN-18")
@pytest.mark.parametrize(("entry", "state", "cell"), CELLS, ids=lambda value: value)
def test_entry_in_a_state_answers_as_the_matrix_says(hosts: TwoHosts, entry: str, state: str, cell: str) -> None:
    for make in MAKERS[state]:
        s = make(hosts)
        hosts.run()
        hosts.left.nonblocking(s)
        code = ENTRIES[entry](hosts.left, s)
        if cell in ("ok", "ok (update)", "data then 0"):
            assert code == PROCEEDS.get(entry, 0)
        elif cell == "terminal":
            assert code == ws.WSAECONNRESET
        else:
            assert code == getattr(ws, f"WSAE{cell}")
        if cell == "data then 0":
            assert [hosts.left.receive(s) for _ in range(2)] == [b"", b""]
        hosts.left.close(s)


@pytest.mark.requirement("GEN-18", "CONN-6")
def test_socket_whose_connect_failed_is_in_state_b(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.tcp()
    assert left.connect_code(s, 80, RIGHT) == ws.WSAECONNREFUSED
    assert left.bind_code(s, 5000) == ws.WSAEINVAL
    assert left.send_code(s, b"x") == ws.WSAENOTCONN
    assert left.name_code("WSPGetPeerName", s) == ws.WSAENOTCONN
    assert left.local(s)[0] in ("0.0.0.0", LEFT)
    left.ok("WSPListen", s, 5)


@pytest.mark.requirement("GEN-18", "LISTEN-28", "LISTEN-29")
def test_listen_on_a_listener_is_an_update(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80, 1)
    hosts.left.connected(80, RIGHT)
    assert hosts.left.connect_code(hosts.left.tcp(), 80, RIGHT) == ws.WSAECONNREFUSED
    hosts.right.ok("WSPListen", listener, 2)
    hosts.left.connected(80, RIGHT)
