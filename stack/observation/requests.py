"""What a control socket may be asked: one JSON object in one line, checked before anything is looked at."""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

REQUEST_LIMIT: Final = 4096
"""Bytes of a request, its line end included."""

ROWS_LIMIT: Final = 100_000
"""Most connections in one answer."""

STATES: Final = (
    "ESTABLISHED",
    "SYN-SENT",
    "SYN-RECEIVED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "CLOSED",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
)

_Port = Annotated[int, Field(ge=0, le=65535)]


class RequestError(ValueError):
    """A request is not understood; the message is one line."""


class Request(BaseModel):
    """One question to a running stack."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    get: Literal["stack", "sockets", "counters"]
    """stack: who it is; sockets: connections and listeners; counters: those of the host and its loop, by table."""
    states: Annotated[list[str], Field(max_length=len(STATES))] | None = None
    """Of the sockets those in these states, by RFC 9293's names; None: all."""
    local: str | None = None
    """Of the connections those whose local address is this or in this network (10.77.0.0/24)."""
    remote: str | None = None
    """The same of the peer's address; listeners have none."""
    local_port: _Port | None = None
    """The port on our side."""
    remote_port: _Port | None = None
    """The peer's port; listeners have none."""
    info: bool = False
    """Whether tcp_info comes with each connection."""
    limit: Annotated[int, Field(ge=1, le=ROWS_LIMIT)] = 10_000
    """Most connections of the answer; `more` in it tells that there were others."""

    @field_validator("states")
    @classmethod
    def _known(cls, value: list[str] | None) -> list[str] | None:
        for state in value or ():
            if state not in STATES:
                raise ValueError(f"no state {state!r}: there are {', '.join(STATES)}")
        return value

    @field_validator("local", "remote")
    @classmethod
    def _network(cls, value: str | None) -> str | None:
        if value is not None:
            ipaddress.ip_network(value, strict=False)
        return value


def read_request(line: bytes) -> Request:
    """Returns what a line asks for. Raises RequestError."""
    try:
        return Request.model_validate_json(line)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        raise RequestError(f"{where}: {message}" if where else message) from None


class Choice:
    """Tells which sockets a request asks for."""

    def __init__(self, request: Request) -> None:
        self._states = None if request.states is None else frozenset(request.states)
        self._local = None if request.local is None else ipaddress.ip_network(request.local, strict=False)
        self._remote = None if request.remote is None else ipaddress.ip_network(request.remote, strict=False)
        self._local_port, self._remote_port = request.local_port, request.remote_port

    @property
    def listeners(self) -> bool:
        """Whether a listener may be among them."""
        return (self._states is None or "LISTEN" in self._states) and self._remote is None and self._remote_port is None

    @property
    def connections(self) -> bool:
        """Whether anything else than a listener may be."""
        return self._states is None or bool(self._states - {"LISTEN"})

    def takes_listener(self, row: Mapping[str, Any]) -> bool:
        """Whether this listener is. A wildcard one stands for every address of ours."""
        local = ipaddress.ip_address(row["local"])
        return (self._local is None or local.is_unspecified or local in self._local) and (
            self._local_port is None or row["local_port"] == self._local_port
        )

    def takes_connection(self, row: Mapping[str, Any]) -> bool:
        """Whether this connection or TIME-WAIT record is."""
        return (
            (self._states is None or row["state"] in self._states)
            and (self._local_port is None or row["local_port"] == self._local_port)
            and (self._remote_port is None or row["remote_port"] == self._remote_port)
            and (self._local is None or ipaddress.ip_address(row["local"]) in self._local)
            and (self._remote is None or ipaddress.ip_address(row["remote"]) in self._remote)
        )
