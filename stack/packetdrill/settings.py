"""The options of a script, and what its commands would set, as a configuration of this stack."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from stack.config import ConfigurationError, StackConfig
from stack.packetdrill.commands import apply_commands
from stack.packetdrill.failures import Unsupported
from stack.packetdrill.script import Event, Place, Script, ScriptOption, Shell

_MILLISECOND: Final = 1_000_000
_MICROSECOND: Final = 1_000

# Options of the language that say how the other tool reaches its network, prints, or hunts for bugs: no matter here.
WITHOUT_EFFECT: Final = frozenset(
    (
        *("wire_client", "wire_server", "wire_server_ip", "wire_server_port", "wire_client_dev", "wire_server_dev"),
        *("wire_server_at", "verbose", "debug", "persistent_tun_dev", "tun_id", "init_scripts", "speed", "is_anyip"),
        *("so_filename", "so_flags", "send_omit_free", "tcp_ts_ecr_scaled", "define", "D", "mss"),
    )
)
UNSUPPORTED: Final = {
    "code_command": "blocks of code are Python, run in this process",
    "code_sockopt": "blocks of code get the fields of tcp_info",
    "code_format": "blocks of code are Python, run in this process",
    "non_fatal": "every difference ends a script here",
    "fuzz_file_name": "packets are not changed at random",
    "psp_udp_port": "there is no PSP",
}


@dataclass
class Settings:
    """Everything a run is governed by; times in ns. notes: what has no counterpart, with its place."""

    local_ip: str = "192.168.0.1"
    remote_ip: str = "192.0.2.1"
    gateway_ip: str = "192.168.0.2"
    netmask_ip: str = "255.255.0.0"
    bind_port: int = 8080
    connect_port: int = 8080
    peer_port: int = 42000
    mtu: int = 1500
    tolerance: int = 4 * _MILLISECOND
    tolerance_percent: float = 0.0
    timestamp_tick: int = 0
    strict_segments: bool = False
    any_option_order: bool = False
    any_push: bool = False
    dry_run: bool = False
    congestion: str | None = None
    tunables: dict[str, int] = field(default_factory=dict)
    notes: list[tuple[Place, str]] = field(default_factory=list)

    def tolerance_of(self, span: int) -> int:
        """Returns how far off (ns) a time may be that is `span` ns behind the event before it."""
        return max(self.tolerance, int(span * self.tolerance_percent / 100))

    def configuration(self) -> StackConfig:
        """Returns the stack's configuration. Raises ConfigurationError."""
        try:
            prefix = ipaddress.IPv4Network(f"0.0.0.0/{self.netmask_ip}").prefixlen
        except ValueError:
            raise ConfigurationError(f"netmask_ip is {self.netmask_ip!r}, but must be a netmask") from None
        own = {"syn_retries", "syn_protection", "ttl", "keepalive_time_ms", "keepalive_interval_ms", "keepalive_count"}
        named = {name: value for name, value in self.tunables.items() if name in own}
        return StackConfig(
            address=self.local_ip,
            prefix=prefix,
            gateway=self.gateway_ip,
            mtu=self.mtu,
            kind="tun",
            seed=b"packetdrill script",
            congestion=self.congestion,
            backlog_max=65535,
            tunables={
                "connection_statistics": 1,  # assertions of tcp_info may ask for any of its fields
                **{name: value for name, value in self.tunables.items() if name not in own},
            },
            **{name: bool(value) if name == "syn_protection" else value for name, value in named.items()},
        )


def read_settings(script: Script, overrides: Mapping[str, str | None] | None = None) -> Settings:
    """Returns the settings of a script; `overrides` are options that count more than its own.

    Raises Unsupported for what would change what the script means; ScriptProblem's path is the script's.
    """
    settings = Settings()
    given = list(script.options)
    given += [ScriptOption(name, value) for name, value in (overrides or {}).items()]
    for option in given:
        try:
            _apply_option(settings, option)
        except Unsupported as problem:
            problem.path = script.path
            raise
    for event in initial_commands(script):
        if isinstance(event.action, Shell):
            apply_commands(settings, event.action, event.place, script.path.parent)
    try:
        settings.configuration()
    except ConfigurationError as error:
        raise Unsupported(str(error), Place(1, 1), script.path) from error
    return settings


def initial_commands(script: Script) -> Iterable[Event]:
    """Yields the commands, and what has no time, before the first call or packet."""
    for event in script.events:
        if event.when is not None and not isinstance(event.action, Shell):
            return
        yield event


def _apply_option(settings: Settings, option: ScriptOption) -> None:
    name, value, place = option.name, option.value, option.place
    match name:
        case "local_ip" | "remote_ip" | "gateway_ip" | "netmask_ip":
            setattr(settings, name, _address(option))
        case "ip_version":
            if value != "ipv4":
                raise Unsupported(f"--ip_version={value}: only ipv4 is supported yet", place)
        case "bind_port" | "connect_port" | "mtu":
            setattr(settings, name, _integer(option))
        case "tolerance_usecs":
            settings.tolerance = _integer(option) * _MICROSECOND
        case "tolerance_percent":
            settings.tolerance_percent = _percentage(option)
        case "tcp_ts_tick_usecs":
            settings.timestamp_tick = _integer(option) * _MICROSECOND
        case "strict_segments":
            settings.strict_segments = True
        case "dry_run":
            settings.dry_run = True
        case "option_order":
            settings.any_option_order = _is_any(option)
        case "push":
            settings.any_push = _is_any(option)
        case _ if name in UNSUPPORTED:
            settings.notes.append((place, f"--{name} has no effect: {UNSUPPORTED[name]}"))
        case _ if name not in WITHOUT_EFFECT:
            raise Unsupported(f"--{name} is no option of the language", place)


def _is_any(option: ScriptOption) -> bool:
    if option.value not in ("any", "exact"):
        raise Unsupported(f"--{option.name}={option.value}: any or exact is needed", option.place)
    return option.value == "any"


def _percentage(option: ScriptOption) -> float:
    try:
        return float(option.value or "")
    except ValueError:
        raise Unsupported(f"--{option.name}={option.value}: a number is needed", option.place) from None


def _address(option: ScriptOption) -> str:
    try:
        return str(ipaddress.IPv4Interface(option.value or "").ip)
    except ValueError:
        raise Unsupported(f"--{option.name}={option.value}: an IPv4 address is needed", option.place) from None


def _integer(option: ScriptOption) -> int:
    if not (option.value or "").isdigit():
        raise Unsupported(f"--{option.name}={option.value}: a number is needed", option.place)
    return int(option.value or "0")
