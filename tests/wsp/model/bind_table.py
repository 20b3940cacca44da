"""The model's bind table: wsp.md section 3 for one host with one address, in the words of the specification."""

from dataclasses import dataclass, field
from typing import Any, Final

INUSE, ACCESS = 10048, 10013

_SAME: Final = """
                Default-W Default-S Reuse-W Reuse-S Excl-W Excl-S
    Default-W   INUSE     ok        ACC     ok      INUSE  ok
    Default-S   ok        INUSE     ok      ACC     INUSE  INUSE
    Reuse-W     INUSE     ok        ok      ok      INUSE  ok
    Reuse-S     ok        INUSE     ok      ok      INUSE  INUSE
    Excl-W      INUSE     ACC       ACC     ACC     INUSE  ACC
    Excl-S      ok        INUSE     ok      ACC     INUSE  INUSE
"""
_DIFFERENT: Final = """
                Default-W Default-S Reuse-W Reuse-S Excl-W Excl-S
    Default-W   INUSE     ACC       ACC     ACC     INUSE  ACC
    Default-S   ok        INUSE     ok      ACC     INUSE  INUSE
    Reuse-W     INUSE     ACC       ok      ok      INUSE  ACC
    Reuse-S     ok        INUSE     ok      ok      INUSE  INUSE
    Excl-W      INUSE     ACC       ACC     ACC     INUSE  ACC
    Excl-S      ok        INUSE     ok      ACC     INUSE  INUSE
"""


def _read(text: str) -> dict[tuple[str, str], int]:
    header, *rows = [line.split() for line in text.strip().splitlines()]
    codes = {"ok": 0, "INUSE": INUSE, "ACC": ACCESS}
    return {(row[0], second): codes[cell] for row in rows for second, cell in zip(header, row[1:], strict=True)}


_MATRICES: Final = {True: _read(_SAME), False: _read(_DIFFERENT)}
KINDS: Final = tuple(_SAME.split()[:6])


@dataclass(eq=False)
class Holding:
    """A binding. kind: as in the matrices. connections: those accepted through it."""

    kind: str
    port: int
    account: str
    order: int
    socket: Any
    connections: list[Any] = field(default_factory=list)

    @property
    def exclusive(self) -> bool:
        return self.kind.startswith("Excl")

    @property
    def wildcard(self) -> bool:
        return self.kind.endswith("W")


class BindTable:
    """Who holds what. A holding without socket is one of BIND-27."""

    def __init__(self) -> None:
        self.held: list[Holding] = []
        self._order = 0

    def bind(self, socket: Any, kind: str, port: int, account: str) -> Holding | int:
        """BIND-19, 20, 23: a holding, or the code of the earliest one in conflict."""
        for earlier in self.current(port):
            code = _MATRICES[earlier.account == account][earlier.kind, kind]
            if code:
                return code
        self._order += 1
        holding = Holding(kind, port, account, self._order, socket)
        self.held.append(holding)
        return holding

    def may_listen(self, holding: Holding) -> bool:
        """LISTEN-46: whether a first listen finds every address it covers available."""
        if not holding.wildcard or holding.kind.startswith("Reuse"):
            return True
        return not any(
            other.exclusive and not other.wildcard for other in self.current(holding.port) if other is not holding
        )

    def release(self, holding: Holding) -> None:
        """The socket is closed; BIND-27 may keep the holding."""
        holding.socket = None

    def current(self, port: int) -> list[Holding]:
        """The holdings of a port, in the order of binding."""
        self.held = [
            holding
            for holding in self.held
            if holding.socket is not None
            or (holding.exclusive and any(connection.active for connection in holding.connections))
        ]
        return [holding for holding in self.held if holding.port == port]
