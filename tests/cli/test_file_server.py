"""The file server on the provider, under virtual time: what a client gets for what it asks."""

import contextlib
import hashlib
import os
import random
from pathlib import Path

import h11
import pytest

from stack.applications.file_server import CHUNK, FileServer, target_path
from stack.applications.file_tree import BadPath
from stack.applications.stream import EntryFailed, StreamSocket
from tests.cli.conversation import PORT, SECOND, SERVER, Conversation

NOON = 1_700_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"not for you")
    (root / "small.txt").write_bytes(b"0123456789")
    (root / "empty").write_bytes(b"")
    (root / "large.bin").write_bytes(random.Random(1).randbytes(2 * CHUNK + 12_345))
    (root / "out").symlink_to(tmp_path)
    return root


@pytest.fixture
def server(folder: Path) -> FileServer:
    return FileServer(folder, clock=lambda: NOON)


class Answer:
    """A response as h11 reads it: status, headers by lower-case name, body."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


def answers(octets: bytes, *methods: str) -> list[Answer]:
    """Reads the responses to requests of these methods; nothing may be left over."""
    client = h11.Connection(h11.CLIENT)
    client.receive_data(octets)
    client.receive_data(b"")
    read = []
    for method in methods:
        client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
        client.send(h11.EndOfMessage())
        response = client.next_event()
        assert isinstance(response, h11.Response), response
        body = bytearray()
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            assert isinstance(event, h11.Data), event
            body += event.data
        headers = {name.decode(): value.decode() for name, value in response.headers}
        read.append(Answer(response.status_code, headers, bytes(body)))
        if client.our_state is h11.DONE and client.their_state is h11.DONE:
            client.start_next_cycle()
    rest, closed = client.trailing_data
    assert (rest, closed) == (b"", True)
    return read


def request(path: str, *fields: str, method: str = "GET") -> bytes:
    """Returns a request's octets."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 10.77.0.2", *fields, "", ""]).encode()


def ask(server: FileServer, path: str, *fields: str, method: str = "GET") -> Answer:
    """Makes one request on a connection of its own."""
    (answer,) = answers(Conversation().hold(server.serve, request(path, *fields, method=method)), method)
    return answer


def test_get_gives_the_file_with_its_length(server: FileServer) -> None:
    answer = ask(server, "/small.txt")
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer.headers["content-length"] == "10"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"


def test_head_gives_the_length_and_no_body(server: FileServer) -> None:
    answer = ask(server, "/large.bin", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(2 * CHUNK + 12_345)


def test_empty_file_is_a_whole_answer(server: FileServer) -> None:
    answer = ask(server, "/empty")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")


@pytest.mark.requirement("SND-10")
@pytest.mark.parametrize("faults", [{}, {"loss": 10_000, "reorder": 20_000}], ids=["clean link", "bad link"])
def test_file_of_several_chunks_arrives_whole(server: FileServer, folder: Path, faults: dict[str, int]) -> None:
    octets = Conversation(**faults).hold(server.serve, request("/large.bin"))
    (answer,) = answers(octets, "GET")
    content = (folder / "large.bin").read_bytes()
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(content).digest()


def test_several_requests_on_one_connection_are_answered_in_order(server: FileServer) -> None:
    said = request("/small.txt") + request("/nothing") + request("/small.txt", method="HEAD") + request("/empty")
    octets = Conversation().hold(server.serve, said)
    assert [(each.status, each.body) for each in answers(octets, "GET", "GET", "HEAD", "GET")] == [
        (200, b"0123456789"),
        (404, b"404 Not Found\n"),
        (200, b""),
        (200, b""),
    ]


def test_request_to_close_ends_the_connection_after_the_answer(server: FileServer) -> None:
    said = request("/small.txt", "Connection: close") + request("/small.txt")
    (answer,) = answers(Conversation().hold(server.serve, said), "GET")
    assert answer.status == 200
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("field", "status", "body", "content_range"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, b"416 Requested Range Not Satisfiable\n", "bytes */10"),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("nonsense", 200, b"0123456789", None),
    ],
)
def test_range_gives_that_part(
    server: FileServer, field: str, status: int, body: bytes, content_range: str | None
) -> None:
    answer = ask(server, "/small.txt", f"Range: {field}")
    assert (answer.status, answer.body, answer.headers.get("content-range")) == (status, body, content_range)


def test_conditional_range_gives_the_whole_file(server: FileServer) -> None:
    answer = ask(server, "/small.txt", "Range: bytes=2-4", 'If-Range: "tag"')
    assert (answer.status, answer.body) == (200, b"0123456789")


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/out/secret", "/folder/../../secret"])
def test_path_outside_the_root_is_not_found(server: FileServer, path: str) -> None:
    assert ask(server, path).status == 404


@pytest.mark.parametrize("path", ["/a%00b", "*", "ftp://10.77.0.2/small.txt", "small.txt"])
def test_target_that_is_no_path_is_a_bad_request(server: FileServer, path: str) -> None:
    assert ask(server, path).status == 400


def test_absolute_target_is_taken(server: FileServer) -> None:
    assert ask(server, "http://10.77.0.2/small.txt?query").body == b"0123456789"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get"])
def test_other_method_is_not_allowed_and_the_allowed_are_named(server: FileServer, method: str) -> None:
    answer = ask(server, "/small.txt", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_directory_is_listed_and_its_name_completed(server: FileServer) -> None:
    assert b'href="./small.txt"' in ask(server, "/").body
    answer = ask(server, "/folder")
    assert (answer.status, answer.headers["location"]) == (301, "/folder/")


@pytest.mark.parametrize(
    "octets",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
        b"GET /" + b"a" * 40_000,
    ],
    ids=["no HTTP", "no Host", "TLS", "bad length", "endless head"],
)
def test_malformed_request_gets_one_refusal_and_the_end(server: FileServer, octets: bytes) -> None:
    (answer,) = answers(Conversation().hold(server.serve, octets), "GET")
    assert answer.status in (400, 431)
    assert answer.headers["connection"] == "close"


def test_body_of_a_get_is_read_and_means_nothing(server: FileServer) -> None:
    said = request("/small.txt", "Content-Length: 5") + b"hello" + request("/empty")
    octets = Conversation().hold(server.serve, said)
    assert [each.status for each in answers(octets, "GET", "GET")] == [200, 200]


def test_expectation_is_answered_by_the_final_status(server: FileServer) -> None:
    said = request("/small.txt", "Content-Length: 5", "Expect: 100-continue", method="PUT")
    (answer,) = answers(Conversation().hold(server.serve, said), "PUT")
    assert (answer.status, answer.headers["connection"]) == (405, "close")


def test_client_that_says_nothing_is_let_go(server: FileServer) -> None:
    assert Conversation().hold(server.serve, b"") == b""


def test_silent_client_is_ended_after_the_idle_time(server: FileServer) -> None:
    conversation = Conversation()
    client = StreamSocket.connected(conversation.client, SERVER, PORT)
    assert conversation.serve(server.serve, client) == b""
    assert conversation.pair.now() >= 60_000_000_000


def test_client_whose_request_never_ends_is_let_go(folder: Path) -> None:
    seconds = iter(range(0, 1000, 25))
    server = FileServer(folder, timer=lambda: float(next(seconds)))
    talk = Conversation()
    client = StreamSocket.connected(talk.client, SERVER, PORT)

    def say_more() -> None:
        # each line comes well before the idle time is over
        with contextlib.suppress(EntryFailed):
            client.send(b"X: y\r\n")

    for number in range(20):
        talk.pair.after(number * 20 * SECOND, say_more)
    client.send(b"GET / HTTP/1.1\r\n")
    begun = talk.pair.now()
    assert talk.serve(server.serve, client) == b""
    assert talk.pair.now() - begun < 150 * SECOND


def test_client_that_never_reads_is_let_go_and_holds_little(folder: Path) -> None:
    (folder / "large").write_bytes(bytes(8 << 20))
    talk = Conversation()
    client = StreamSocket.connected(talk.client, SERVER, PORT)
    client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
    connection = talk.listener.accept()
    begun = talk.pair.now()
    held: list[int] = []
    talk.pair.after(100 * SECOND, lambda: held.append(talk.pair.left.engine.usage()["chunks"]))
    FileServer(folder).serve(connection)
    connection.close()
    assert 300 * SECOND <= talk.pair.now() - begun < 400 * SECOND
    assert held[0] < 1 << 20


def test_file_that_shrinks_while_sent_ends_short(
    server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = server.tree.look_up

    def look_up_and_shrink(path: str) -> object:
        found = look_up(path)
        os.truncate(folder / "large.bin", CHUNK + 1)
        return found

    monkeypatch.setattr(server.tree, "look_up", look_up_and_shrink)
    octets = Conversation().hold(server.serve, request("/large.bin"))
    head, _, body = octets.partition(b"\r\n\r\n")
    assert b"Content-Length: " + str(2 * CHUNK + 12_345).encode() in head
    assert len(body) == CHUNK + 1


@pytest.mark.parametrize("target", [b"http:///x", b"https://h/x", b"*", b"h:443", b""])
def test_target_form_that_servers_do_not_serve_is_refused(target: bytes) -> None:
    with pytest.raises(BadPath):
        target_path(target)
