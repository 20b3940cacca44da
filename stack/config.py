"""StackConfig: everything about a stack that may be chosen, checked before anything is opened."""

import ipaddress
import secrets
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from netcore.engine import congestion_names

_MILLISECOND: Final = 1_000_000  # ns

Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1)]
Milliseconds = Annotated[int, Field(ge=1, le=86_400_000)]

# Named fields that govern the core: field -> (tunable of the core, factor).
_CORE_FIELDS: Final = {
    "syn_rto_ms": ("syn_rto", _MILLISECOND),
    "syn_retries": ("syn_retries", 1),
    "syn_rst_wait_ms": ("syn_rst_wait", _MILLISECOND),
    "memory_limit": ("memory_limit", 1),
    "ttl": ("ttl", 1),
    "keepalive_time_ms": ("keepalive_time", _MILLISECOND),
    "keepalive_interval_ms": ("keepalive_interval", _MILLISECOND),
    "keepalive_count": ("keepalive_count", 1),
    "syn_protection": ("syn_protection", 1),
    "syn_flood_age_ms": ("syn_flood_age", _MILLISECOND),
    "syn_flood_calm_ms": ("syn_flood_calm", _MILLISECOND),
    "cond_request_life_ms": ("conditional_life", _MILLISECOND),
    "hint_max": ("conditional_requests", 1),
}


class ConfigurationError(ValueError):
    """A configuration is not usable; the message is one line that names the field and its value."""


class StackConfig(BaseModel):
    """One host and its socket layer. Sizes in bytes, times in milliseconds where the name says so.

    The fields below the device's are the tunable parameters of wsp.md section 0.1 with their normative defaults;
    `tunables` reaches every other one of the core. Raises ConfigurationError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    address: str
    """The host's IPv4 address, dotted."""
    prefix: Annotated[int, Field(ge=1, le=31)] = 24
    """Length of the network's prefix, in bits."""
    gateway: str | None = None
    """Next hop for addresses off the link, dotted; by default the namespace's end: the link's other first host."""
    mac: str | None = None
    """Ethernet address, six octets in hexadecimal with colons; None: a locally administered one from the seed."""
    mtu: Annotated[int, Field(ge=68, le=65535)] = 1500
    """Largest IP packet on the link, in bytes."""
    kind: Literal["tap", "tun"] = "tap"
    """tap: Ethernet frames; tun: bare IP packets."""
    offloads: bool = True
    """Send superframes and partial checksums where the device grants them."""
    busy_poll_us: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """For how long (microseconds) whoever drives the stack looks for frames before it sleeps; costs a processor."""
    seed: Annotated[bytes, Field(min_length=16)] = Field(default_factory=lambda: secrets.token_bytes(16))
    """Source of the host's random bits and secret of its hashes; by default from the operating system."""

    backlog_min: Count = 1
    """BACKLOG_MIN: what WSPListen makes of 0."""
    backlog_max: Count = 200
    """BACKLOG_MAX: largest plain backlog, and what SOMAXCONN selects."""
    hint_min: Count = 200
    """HINT_MIN: smallest backlog that SOMAXCONN_HINT selects."""
    hint_max: Count = 65535
    """HINT_MAX: largest backlog that SOMAXCONN_HINT selects, and most undecided requests of a listener (ACPT-33)."""
    ephemeral_low: Port = 49152
    """EPHEMERAL: first port the provider chooses from (BIND-8)."""
    ephemeral_high: Port = 65535
    """EPHEMERAL: last port the provider chooses from."""
    syn_rto_ms: Milliseconds = 1000
    """SYN_RTO: first SYN time-out, doubling (LISTEN-71)."""
    syn_retries: Annotated[int, Field(ge=0, le=255)] = 4
    """SYN_RETRIES: further SYNs after the first."""
    syn_rst_wait_ms: Milliseconds = 500
    """SYN_RST_WAIT: wait before a SYN that was answered by RST is sent again (LISTEN-67)."""
    sndbuf: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)] = 65536
    """SNDBUF: what SO_SNDBUF reports until a program sets it."""
    rcvbuf: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)] = 65536
    """RCVBUF: what SO_RCVBUF reports until a program sets it."""
    memory_limit: Annotated[int, Field(ge=1 << 20)] = 1 << 30
    """MEMORY_LIMIT: bytes buffered in the whole stack."""
    ttl: Annotated[int, Field(ge=1, le=255)] = 128
    """TTL: of the packets sent."""
    keepalive_time_ms: Milliseconds = 7_200_000
    """KEEPALIVE time: without a segment before the first probe, where SO_KEEPALIVE is on (SND-8)."""
    keepalive_interval_ms: Milliseconds = 1000
    """KEEPALIVE interval: between probes."""
    keepalive_count: Annotated[int, Field(ge=1, le=255)] = 10
    """KEEPALIVE count: probes without an answer that end a connection."""
    max_descriptors: Count = 65536
    """MAX_DESCRIPTORS: size of the descriptor table."""
    max_listeners: Count | None = None
    """Limit on listening sockets (LISTEN-45); None: no limit of its own."""
    syn_protection: bool = True
    """SYN_PROTECTION: SYN cookies while a listener is under attack (LISTEN-74 to 78)."""
    syn_flood_age_ms: Milliseconds = 1000
    """SYN_FLOOD_AGE: half-open connections older than this speak for an attack (LISTEN-74)."""
    syn_flood_calm_ms: Milliseconds = 5000
    """SYN_FLOOD_CALM: time over which cookies have to be answered before the attack is over (LISTEN-74)."""
    cond_request_life_ms: Milliseconds = 30_000
    """COND_REQUEST_LIFE: of an unanswered conditional request after its last SYN (ACPT-34)."""
    congestion: str | None = None
    """Congestion control algorithm of new connections by name (`netcore.engine.congestion_names()`); None: cubic."""
    control: bool | str = False
    """Answer `wspstack ss` and `stat` on a Unix socket for this user alone: True, or the socket's path."""
    drain_time_ms: Annotated[int, Field(ge=0, le=86_400_000)] = 5000
    """DRAIN_TIME: how long stopping waits for data of closed sockets to be delivered (CLEAN-5)."""

    tunables: dict[str, int] = Field(default_factory=dict)
    """Further tunables of the core by name (`netcore.engine.tunable_names()`); times in ns, sizes in bytes."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigurationError(_one_line(error)) from None

    @field_validator("address", "gateway")
    @classmethod
    def _dotted(cls, value: str | None) -> str | None:
        return None if value is None else str(ipaddress.IPv4Address(value))

    @field_validator("congestion")
    @classmethod
    def _known_algorithm(cls, value: str | None) -> str | None:
        if value is not None and value not in congestion_names():
            raise ValueError(f"must be one of {', '.join(congestion_names())}")
        return value

    @field_validator("mac")
    @classmethod
    def _octets(cls, value: str | None) -> str | None:
        if value is not None:
            octets = value.split(":")
            if len(octets) != 6 or any(len(each) != 2 for each in octets):
                raise ValueError("give six octets in hexadecimal with colons, such as 02:00:00:00:00:01")
            if bytes.fromhex("".join(octets))[0] & 1:
                raise ValueError("a host's address has the lowest bit of its first octet clear")
        return value

    @field_validator("tunables")
    @classmethod
    def _known(cls, value: dict[str, int]) -> dict[str, int]:
        from netcore.engine import tunable_names

        known = tunable_names()
        named = {core: field for field, (core, _) in _CORE_FIELDS.items()}
        for name in value:
            if name in named:
                raise ValueError(f"{name} has a field of its own: use {named[name]}")
            if name not in known:
                raise ValueError(f"no tunable {name!r}: there are {', '.join(sorted(known.keys() - named.keys()))}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        network = self.network
        if self.gateway is not None and ipaddress.IPv4Address(self.gateway) not in network:
            raise ValueError(f"gateway {self.gateway} is not on the link {network}")
        if self.gateway == self.address:
            raise ValueError(f"gateway {self.gateway} is the host itself")
        for low, high in (
            ("backlog_min", "backlog_max"),
            ("hint_min", "hint_max"),
            ("ephemeral_low", "ephemeral_high"),
        ):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} {getattr(self, low)} is above {high} {getattr(self, high)}")
        return self

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The network of the link."""
        return ipaddress.IPv4Interface(f"{self.address}/{self.prefix}").network

    @property
    def next_hop(self) -> str:
        """The gateway in force: the one given, or the first host of the link that is not this one."""
        if self.gateway is not None:
            return self.gateway
        own = ipaddress.IPv4Address(self.address)
        return str(next(host for host in self.network.hosts() if host != own))

    def core_tunables(self) -> dict[str, int]:
        """Returns what the engine is made with, under the core's names; times in ns."""
        named = {core: getattr(self, field) * factor for field, (core, factor) in _CORE_FIELDS.items()}
        return {**self.tunables, **named}


def _one_line(error: ValidationError) -> str:
    """Says what pydantic found in one line: the first fault, its field and its value."""
    fault = error.errors()[0]
    field = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    kind = fault["type"]
    if kind == "extra_forbidden":
        return f"no field {field!r} in a stack's configuration"
    if kind == "missing":
        return f"{field} is missing"
    return f"{field}: {message}, not {fault['input']!r}" if field else message
