"""The control socket: what it answers, to whom, and that nothing a client does stops it or its stack."""

import contextlib
import json
import os
import random
import socket
import stat
import threading
from pathlib import Path

import pytest

from netcore.engine import tunable_names
from stack.assembly import Stack
from stack.config import ConfigurationError, StackConfig
from stack.observation import control as control_module
from stack.observation.answers import answer
from stack.observation.asking import ask, find_stack
from stack.observation.control import CLIENTS_MOST, ControlSocket
from stack.observation.places import DIRECTORY_VARIABLE, ControlError, control_directory, running_sockets
from stack.observation.requests import REQUEST_LIMIT, read_request
from tests.observation.observed import SECONDS, HandStack, answering, exchange


def threads() -> int:
    return sum(thread.name == "wspstack-control" for thread in threading.enumerate())


def still_answers(path: Path | None) -> None:
    assert path is not None
    assert ask(path, get="stack")["stack"]["address"] == "10.0.0.1"


# ---- answers


def test_stack_says_who_it_is() -> None:
    with answering() as (_, control):
        assert control.path is not None
        told = ask(control.path, get="stack")["stack"]
    assert (told["address"], told["prefix"], told["pid"]) == ("10.0.0.1", 24, os.getpid())
    assert told["usage"]["time_wait"] == 1


def test_sockets_are_connections_listeners_and_time_wait_records() -> None:
    with answering() as (_, control):
        assert control.path is not None
        told = ask(control.path, get="sockets", info=True)
    assert not told["more"]
    rows = {row["remote_port"]: row for row in told["connections"]}
    assert {port: row["state"] for port, row in rows.items()} == {
        1: "SYN-RECEIVED",
        2: "ESTABLISHED",
        1000: "ESTABLISHED",
        1001: "ESTABLISHED",
        1002: "TIME-WAIT",
    }
    row = rows[1000]
    assert (row["local"], row["local_port"], row["remote"]) == ("10.0.0.1", 80, "10.0.0.2")
    assert (row["recv_q"], row["send_q"], row["congestion"]) == (33, 3000, "cubic")
    assert row["timer"]["name"] == "on"
    assert (row["info"]["tcpi_unacked"], row["info"]["tcpi_bytes_received"]) == (2, 33)
    assert rows[1002]["timer"] == {"name": "timewait", "ms": 60_000}
    listeners = {row["local_port"]: row for row in told["listeners"]}
    assert (listeners[81]["half_open"], listeners[81]["finished"], listeners[81]["backlog"]) == (1, 1, 7)


@pytest.mark.parametrize(
    ("wish", "ports", "listeners"),
    [
        ({"states": ["TIME-WAIT"]}, {1002}, set()),
        ({"states": ["LISTEN"]}, set(), {80, 81}),
        ({"local_port": 81}, {1, 2}, {81}),
        ({"remote_port": 1001}, {1001}, set()),
        ({"remote": "10.0.0.2"}, {1, 2, 1000, 1001, 1002}, set()),
        ({"remote": "10.0.1.0/24"}, set(), set()),
        ({"local": "10.0.0.0/24", "states": ["SYN-RECEIVED", "LISTEN"]}, {1}, {80, 81}),
        ({"local": "10.0.9.9"}, set(), {80, 81}),  # these listen on every address
        ({"states": []}, set(), set()),
    ],
)
def test_filter_brings_what_it_names(wish: dict[str, object], ports: set[int], listeners: set[int]) -> None:
    with answering() as (_, control):
        assert control.path is not None
        told = ask(control.path, get="sockets", **wish)
    assert {row["remote_port"] for row in told["connections"]} == ports
    assert {row["local_port"] for row in told["listeners"]} == listeners


def test_answer_that_is_cut_off_says_so() -> None:
    with answering() as (_, control):
        assert control.path is not None
        told = ask(control.path, get="sockets", limit=2)
        assert (len(told["connections"]), told["more"]) == (2, True)
        told = ask(control.path, get="sockets", limit=5)
        assert (len(told["connections"]), told["more"]) == (5, False)


def test_table_that_grows_while_it_is_read_brings_each_connection_once() -> None:
    stack = HandStack()
    stack.host.listen(backlog=400)
    before = range(1000, 1250)
    for port in before:
        stack.connection(port, b"")
    pieces = answer(stack, read_request(b'{"get": "sockets", "states": ["ESTABLISHED"]}'))
    told = [next(pieces) for _ in range(6)]
    # 256 places are too few from now on
    for port in range(2000, 2050):
        stack.connection(port, b"")
    rows = json.loads("".join([*told, *pieces]))["connections"]
    ports = [row["remote_port"] for row in rows]
    assert len(ports) == len(set(ports))
    assert set(before) <= set(ports)


def test_counters_come_by_table() -> None:
    with answering() as (stack, control):
        assert control.path is not None
        told = ask(control.path, get="counters")["counters"]
        assert told["Tcp"]["InSegs"] == stack.engine.counters()["InSegs"] > 0
    assert told["Tcp"]["PassiveOpens"] == 4


# ---- hostile input


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"\n", "Invalid JSON"),
        (b"GET / HTTP/1.1\r\n", "Invalid JSON"),
        (b'{"get": "everything"}\n', "get: Input should be 'stack', 'sockets' or 'counters'"),
        (b'{"get": "stack", "frobs": 1}\n', "frobs: Extra inputs are not permitted"),
        (b'{"get": "sockets", "states": ["NOWHERE"]}\n', "no state 'NOWHERE'"),
        (b'{"get": "sockets", "local": "10.0.0"}\n', "local: "),
        (b'{"get": "sockets", "remote": "' + b"9" * 3000 + b'"}\n', "remote: "),
        (b'{"get": "sockets", "local_port": 65536}\n', "local_port: "),
        (b'{"get": "sockets", "local_port": "80"}\n', "local_port: "),
        (b'{"get": "sockets", "limit": 1e9}\n', "limit: "),
        (b'{"get": "sockets", "states": ' + b"[" * 2000 + b"]" * 2000 + b"}\n", ""),
        (b"[]\n", "object"),
        (b"\xff\xfe\x00\n", "Invalid JSON"),
        (b"x" * REQUEST_LIMIT * 4, f"a request has {REQUEST_LIMIT} bytes at most"),
    ],
)
def test_request_that_is_none_is_answered_in_a_line_that_says_why(octets: bytes, words: str) -> None:
    with answering() as (_, control):
        (line,) = exchange(control.path, octets).splitlines()
        assert words in json.loads(line)["error"]
        still_answers(control.path)


def test_request_without_its_end_is_read_as_it_is() -> None:
    with answering() as (_, control):
        assert b'"address"' in exchange(control.path, b'{"get": "stack"}', shut=True)
        assert b"error" in exchange(control.path, b'{"get": ', shut=True)


def test_random_bytes_never_end_the_service() -> None:
    dice = random.Random(5)
    good = b'{"get": "sockets", "states": ["ESTABLISHED"], "local_port": 80, "info": true}\n'
    with answering() as (_, control):
        for _ in range(150):
            octets = bytearray(good)
            for _ in range(dice.randrange(1, 6)):
                octets[dice.randrange(len(octets))] = dice.randrange(256)
            exchange(control.path, bytes(octets) + b"\n", shut=True)
        still_answers(control.path)


def test_client_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "_REQUEST_SECONDS", 0.05)
    with answering() as (_, control), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SECONDS)
        client.connect(str(control.path))
        assert client.recv(1) == b""
        still_answers(control.path)


def test_client_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "_ANSWER_SECONDS", 0.3)
    stack = HandStack()
    stack.host.listen(backlog=700)
    for number in range(600):
        stack.connection(1000 + number, b"")
    with ControlSocket(stack) as control, socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SECONDS)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.connect(str(control.path))
        client.sendall(b'{"get": "sockets", "info": true}\n')
        still_answers(control.path)
        # nothing is read until the answer is cut off: its end never comes
        client.shutdown(socket.SHUT_WR)
        while threads() and control._clients:
            threading.Event().wait(0.01)
        octets = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(1 << 16):
                octets += piece
        assert not octets.endswith(b"\n")
        still_answers(control.path)


def test_one_client_too_many_is_sent_away() -> None:
    with answering() as (_, control), contextlib.ExitStack() as held:
        for _ in range(CLIENTS_MOST):
            client = held.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(control.path))
        answer = json.loads(exchange(control.path, b""))
        assert answer == {"error": f"{CLIENTS_MOST} others are being answered: ask again"}


# ---- its place


def test_socket_is_for_its_user_alone_and_goes_with_the_stack(control_folder: Path) -> None:
    with answering() as (_, control):
        assert control.path is not None
        assert stat.S_IMODE(control.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(control_folder.stat().st_mode) == 0o700
        assert running_sockets() == [control.path]
        assert threads() == 1
    assert list(control_folder.iterdir()) == []
    assert threads() == 0
    control.stop()


def test_two_stacks_of_a_process_have_a_socket_each() -> None:
    with answering() as (_, one), answering() as (_, other):
        assert one.path != other.path
        assert len(running_sockets()) == 2
        with pytest.raises(ControlError, match=r"2 stacks run: say which with --stack: 10.0.0.1 .process"):
            find_stack(None)
        assert find_stack(str(one.path)) == one.path


def test_socket_of_a_killed_process_is_noticed_and_removed(control_folder: Path) -> None:
    control_folder.mkdir(mode=0o700)
    stale = control_folder / "4194999-1.sock"  # above the highest number of a process
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stale))
    assert running_sockets() == []
    assert not stale.exists()
    with pytest.raises(ControlError, match="no stack of yours runs"):
        find_stack(None)


def test_named_path_that_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "here.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    with answering(path) as (_, control):
        still_answers(control.path)
    assert not path.exists()


def test_path_at_which_another_answers_is_refused_and_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "here.sock"
    with answering(path):
        with pytest.raises(ControlError, match=r"another stack answers at .*here.sock already"):
            ControlSocket(HandStack(), path).start()
        still_answers(path)


def test_file_at_the_path_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("keep")
    with pytest.raises(ControlError, match=r"no control socket at .*precious: Address already in use"):
        ControlSocket(HandStack(), path).start()
    assert path.read_text() == "keep"


def test_path_that_is_too_long_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120)
    with pytest.raises(ControlError, match="octets, but a Unix socket's path has 107 at most"):
        ControlSocket(HandStack(), path).start()


@pytest.mark.parametrize("kind", ["open", "link", "file"])
def test_folder_that_is_not_ours_alone_is_refused(control_folder: Path, tmp_path: Path, kind: str) -> None:
    if kind == "open":
        control_folder.mkdir()
        control_folder.chmod(0o777)
    elif kind == "link":
        (tmp_path / "elsewhere").mkdir()
        control_folder.symlink_to(tmp_path / "elsewhere")
    else:
        control_folder.write_text("")
    with pytest.raises(ControlError, match="control"):
        ControlSocket(HandStack()).start()


def test_folder_that_others_may_write_to_is_not_looked_into(control_folder: Path) -> None:
    with answering() as (_, control):
        assert running_sockets() == [control.path]
        control_folder.chmod(0o777)
        assert running_sockets() == []


def test_folder_is_that_of_the_session_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DIRECTORY_VARIABLE)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert control_directory() == tmp_path / "wspstack"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert control_directory().name == f"wspstack-{os.geteuid()}"


# ---- asking


def test_asking_where_nobody_answers_says_so(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no stack answers at"):
        ask(tmp_path / "missing.sock", get="stack")


def test_answer_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def speak() -> None:
            with listener.accept()[0] as client:
                client.recv(100)
                client.sendall(b'{"half": ')

        thread = threading.Thread(target=speak)
        thread.start()
        with pytest.raises(ControlError, match="is no stack, or it ended in the middle"):
            ask(path, get="stack")
        thread.join()


# ---- the stack


def test_stack_of_a_program_answers_where_its_configuration_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.sock"
    config = StackConfig(address="10.9.8.7", control=str(path), tunables={"connection_statistics": 1})
    with Stack(config):
        assert ask(path, get="stack")["stack"]["address"] == "10.9.8.7"
        assert find_stack(str(path)) == path
    assert not path.exists()


def test_stack_of_a_program_is_silent_unless_asked_to(control_folder: Path) -> None:
    with Stack(StackConfig(address="10.9.8.7")):
        assert not control_folder.exists()
        assert threads() == 0
    with Stack(StackConfig(address="10.9.8.7", control=True)):
        assert find_stack("10.9.8.7") == find_stack(str(os.getpid()))


def test_stack_whose_socket_cannot_be_made_does_not_start(tmp_path: Path) -> None:
    stack = Stack(StackConfig(address="10.9.8.7", control=str(tmp_path / "missing" / "mine.sock")))
    with pytest.raises(ControlError, match=r"no control socket at .*: No such file or directory"):
        stack.start()
    assert not any(thread.name == "wspstack-loop" for thread in threading.enumerate())


def test_configuration_takes_a_path_or_a_wish() -> None:
    assert tunable_names()["connection_statistics"] == 0
    with pytest.raises(ConfigurationError, match="control"):
        StackConfig(address="10.9.8.7", control=3)
