"""Socket addresses in and out: `name`, `namelen` and their checks."""

from typing import Any, Final

from stack.wsp import arguments
from stack.wsp.constants import AF_INET, WSAEAFNOSUPPORT, WSAEFAULT
from stack.wsp.errors import EntryFailure

SOCKADDR_SIZE: Final = {AF_INET: 16}
WILDCARD: Final = bytes(4)
LIMITED_BROADCAST: Final = b"\xff\xff\xff\xff"


def read_address(family: int, name: Any, length: int) -> tuple[bytes, int]:
    """Returns (packed address, port in host order) of a sockaddr given to a socket of `family` (BIND-2, CONN-9).

    Raises EntryFailure: WSAEFAULT for NULL or a length below the family's size, WSAEAFNOSUPPORT for another family.
    """
    if name is None or length < SOCKADDR_SIZE[family]:
        raise EntryFailure(WSAEFAULT)
    raw = bytes(arguments.memory(name, SOCKADDR_SIZE[family]))
    if int.from_bytes(raw[:2], "little") != family:
        raise EntryFailure(WSAEAFNOSUPPORT)
    return raw[4:8], int.from_bytes(raw[2:4], "big")


def address_bytes(family: int, address: tuple[bytes, int]) -> bytes:
    """Returns the sockaddr of (packed address, port in host order), with a zero sin_zero (BIND-11)."""
    packed, port = address
    return family.to_bytes(2, "little") + port.to_bytes(2, "big") + packed + bytes(8)


class AddressResult:
    """The pair (name, namelen) an entry fills; the checks come first, so that a failure leaves both untouched.

    Raises EntryFailure WSAEFAULT when `*namelen` is below the family's size or either cannot be written (ACPT-9,
    PEER-1, NAME-1).
    """

    __slots__ = ("_length", "_memory")

    def __init__(self, family: int, name: Any, length: Any) -> None:
        self._length = arguments.number(length)
        if self._length.value < SOCKADDR_SIZE[family]:
            raise EntryFailure(WSAEFAULT)
        self._memory = arguments.writable_memory(name, SOCKADDR_SIZE[family])

    def fill(self, family: int, address: tuple[bytes, int]) -> None:
        """Writes the address and its true length (ACPT-10)."""
        self._memory[:] = address_bytes(family, address)
        self._length.value = SOCKADDR_SIZE[family]
