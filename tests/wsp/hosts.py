"""What the tests of the provider are written with: a Caller of one host's entries; two hosts under virtual time."""

import copy
import ctypes
from dataclasses import dataclass
from typing import Any

from netcore.engine import Engine
from stack.assembly import make_engine
from stack.config import StackConfig
from stack.driving import SECOND, Driver, HandDriver, PairDriver
from stack.wsp import constants as ws
from stack.wsp.provider import Provider
from stack.wsp.structures import WSPDATA, WSPPROC_TABLE, fd_set_of, linger, sockaddr_in, timeval

LEFT = "10.0.0.1"
RIGHT = "10.0.0.2"
NOWHERE = "10.0.0.99"
WILDCARD = "0.0.0.0"
MILLISECOND = SECOND // 1000

UNTOUCHED = 0x5A5A5A5A


def make_config(address: str, **fields: Any) -> StackConfig:
    """A configuration whose random bits are the same in every run."""
    return StackConfig(**{"address": address, "seed": address.encode().ljust(16, b"."), **fields})


class Caller:
    """Calls the entries of one provider. The short names assert success; `code` gives an entry's error code."""

    def __init__(self, driver: Driver, config: StackConfig) -> None:
        self.driver = driver
        self.config = config
        self.provider = Provider(driver, config)
        self.table = WSPPROC_TABLE()
        assert self.provider.WSPStartup(0x0202, WSPDATA(), None, None, self.table) == 0

    def of_account(self, account: str) -> "Caller":
        """The same provider, started once more for another account (BIND-21)."""
        other = copy.copy(self)
        other.table = WSPPROC_TABLE()
        assert self.provider.WSPStartup(0x0202, WSPDATA(), None, None, other.table, account=account) == 0
        return other

    @property
    def engine(self) -> Engine:
        return self.driver.engine

    def attempt(self, entry: str, *arguments: Any) -> tuple[int, int]:
        """Calls an entry; returns its result and its error code, 0 when it wrote none."""
        error = ctypes.c_int(0)
        return getattr(self.table, entry)(*arguments, error), error.value

    def code(self, entry: str, *arguments: Any) -> int:
        """Calls an entry; returns 0 when it succeeded, else the error code it stored."""
        result, error = self.attempt(entry, *arguments)
        if result not in (ws.SOCKET_ERROR, ws.INVALID_SOCKET):
            return 0  # GEN-2: what *lpErrno holds now means nothing
        assert error, f"{entry} returned {result} and stored no code"
        return error

    def ok(self, entry: str, *arguments: Any) -> int:
        """Calls an entry that has to succeed; returns its result."""
        result, error = self.attempt(entry, *arguments)
        assert result not in (ws.SOCKET_ERROR, ws.INVALID_SOCKET), f"{entry} failed with {error}"
        return result

    # ---- short names

    def tcp(self, *, overlapped: bool = True) -> int:
        return self.ok("WSPSocket", ws.AF_INET, ws.SOCK_STREAM, ws.IPPROTO_TCP, None, 0, int(overlapped))

    def udp(self) -> int:
        return self.ok("WSPSocket", ws.AF_INET, ws.SOCK_DGRAM, ws.IPPROTO_UDP, None, 0, 1)

    def bind_code(self, s: int, port: int, address: str = WILDCARD) -> int:
        return self.code("WSPBind", s, sockaddr_in.of(address, port), 16)

    def bound(self, port: int, address: str = WILDCARD, *options: int) -> int:
        """A TCP socket bound after the BOOL options of SOL_SOCKET are set."""
        s = self.tcp()
        for option in options:
            self.set(s, option, 1)
        assert self.bind_code(s, port, address) == 0
        return s

    def listening(self, port: int, backlog: int = 5, address: str = WILDCARD, *options: int) -> int:
        s = self.bound(port, address, *options)
        self.ok("WSPListen", s, backlog)
        return s

    def connect_code(self, s: int, port: int, address: str) -> int:
        return self.code("WSPConnect", s, sockaddr_in.of(address, port), 16, None, None, None, None)

    def connected(self, port: int, address: str) -> int:
        """A connected TCP socket; the last segment of the handshake has arrived too, so the peer can accept it."""
        s = self.tcp()
        assert self.connect_code(s, port, address) == 0
        self.run(MILLISECOND)
        return s

    def run(self, nanoseconds: int) -> None:
        """Lets virtual time pass."""
        driver = self.driver.waiter()
        assert isinstance(driver, HandDriver | PairDriver)
        driver.run(nanoseconds)

    def accept_code(self, s: int, condition: Any = None, data: Any = 0) -> int:
        return self.code("WSPAccept", s, None, None, condition, data)

    def accept(self, s: int, condition: Any = None, data: Any = 0) -> int:
        return self.ok("WSPAccept", s, None, None, condition, data)

    def send_code(self, s: int, data: Any, flags: int = 0) -> int:
        return self.code("WSPSend", s, data, 1, ctypes.c_uint32(), flags, None, None, None)

    def send(self, s: int, data: bytes) -> int:
        sent = ctypes.c_uint32(UNTOUCHED)
        self.ok("WSPSend", s, data, 1, sent, 0, None, None, None)
        return sent.value

    def receive_code(self, s: int, size: int = 100, flags: int = 0) -> int:
        flags_cell = ctypes.c_uint32(flags)
        return self.code("WSPRecv", s, bytearray(size), 1, ctypes.c_uint32(), flags_cell, None, None, None)

    def receive(self, s: int, size: int = 65536, flags: int = 0) -> bytes:
        buffer, received = bytearray(size), ctypes.c_uint32(UNTOUCHED)
        self.ok("WSPRecv", s, buffer, 1, received, ctypes.c_uint32(flags), None, None, None)
        return bytes(buffer[: received.value])

    def receive_all(self, s: int, size: int) -> bytes:
        data = b""
        while len(data) < size and (piece := self.receive(s, size - len(data))):
            data += piece
        return data

    def close(self, s: int) -> None:
        self.ok("WSPCloseSocket", s)

    def set_code(self, s: int, option: int, value: int, level: int = ws.SOL_SOCKET, length: int = 4) -> int:
        return self.code("WSPSetSockOpt", s, level, option, ctypes.c_uint32(value), length)

    def set(self, s: int, option: int, value: int, level: int = ws.SOL_SOCKET) -> None:
        assert self.set_code(s, option, value, level) == 0

    def set_linger(self, s: int, on: int, seconds: int) -> None:
        self.ok("WSPSetSockOpt", s, ws.SOL_SOCKET, ws.SO_LINGER, linger(on, seconds), 4)

    def get(self, s: int, option: int, level: int = ws.SOL_SOCKET) -> int:
        value, length = ctypes.c_uint32(0), ctypes.c_int(4)
        self.ok("WSPGetSockOpt", s, level, option, value, length)
        return value.value

    def nonblocking(self, s: int, on: bool = True) -> int:
        """Sets the mode and returns `s`."""
        returned = ctypes.c_uint32()
        self.ok("WSPIoctl", s, ws.FIONBIO, ctypes.c_uint32(on), 4, None, 0, returned, None, None, None)
        return s

    def local(self, s: int) -> tuple[str, int]:
        name, length = sockaddr_in(), ctypes.c_int(16)
        self.ok("WSPGetSockName", s, name, length)
        return name.address, name.port

    def name_code(self, entry: str, s: int) -> int:
        """The code of WSPGetSockName or WSPGetPeerName; the name has to be there when it succeeds."""
        name, length = sockaddr_in(), ctypes.c_int(16)
        code = self.code(entry, s, name, length)
        assert code or name.port
        return code

    def peer(self, s: int) -> tuple[str, int]:
        name, length = sockaddr_in(), ctypes.c_int(16)
        self.ok("WSPGetPeerName", s, name, length)
        return name.address, name.port

    def select(
        self,
        read: list[int] | None = None,
        write: list[int] | None = None,
        other: list[int] | None = None,
        milliseconds: int | None = 0,
    ) -> tuple[list[int], list[int], list[int]]:
        """Returns the ready members of the three sets."""
        sets = [None if members is None else fd_set_of(members) for members in (read, write, other)]
        limit = None if milliseconds is None else timeval(*divmod(milliseconds * 1000, 1_000_000))
        count = self.ok("WSPSelect", 0, *sets, limit)
        ready = [[] if each is None else each.descriptors for each in sets]
        assert count == sum(map(len, ready))
        return ready[0], ready[1], ready[2]


@dataclass
class TwoHosts:
    """Two providers that talk to each other under virtual time."""

    driver: PairDriver
    left: Caller
    right: Caller

    def run(self, nanoseconds: int = SECOND) -> None:
        """Lets virtual time pass."""
        self.driver.run(nanoseconds)

    def connection(self, port: int = 80) -> tuple[int, int]:
        """Returns a socket of the left host connected to one of the right host; the listener is closed again."""
        listener = self.right.listening(port)
        left = self.left.connected(port, RIGHT)
        right = self.right.accept(listener)
        self.right.close(listener)
        return left, right

    def stall(self, s: int) -> int:
        """Sends on socket `s` of the left host until nothing more is taken or moves; returns the bytes taken."""
        self.left.nonblocking(s)
        total = 0
        stalled = False
        while not stalled:
            stalled = True
            while (code := self.left.send_code(s, bytes(100_000))) == 0:
                total += 100_000
                stalled = False
            assert code == ws.WSAEWOULDBLOCK
            self.run()
        self.left.nonblocking(s, False)
        return total


def two_hosts(*, left: dict[str, Any] | None = None, right: dict[str, Any] | None = None, **link: Any) -> TwoHosts:
    """Makes two hosts; left and right: fields of their configurations; link: arguments of PairDriver."""
    configs = make_config(LEFT, **(left or {})), make_config(RIGHT, **(right or {}))
    driver = PairDriver(make_engine(configs[0]), make_engine(configs[1]), **link)
    return TwoHosts(driver, Caller(driver.left, configs[0]), Caller(driver.right, configs[1]))
