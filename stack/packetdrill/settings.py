"""The options of a script, and what its shell commands would set, as a configuration of this stack.

No command is ever run: what names a setting of the kernel that has a counterpart is taken over, everything else is
noted.
"""

import ipaddress
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stack.config import ConfigurationError, StackConfig
from stack.packetdrill.failures import Unsupported
from stack.packetdrill.script import Event, Place, Script, ScriptOption, Shell

_SECOND: Final = 1_000_000_000
_MILLISECOND: Final = 1_000_000
_MICROSECOND: Final = 1_000

# Options of the language that say how the other tool reaches its network, prints, or hunts for bugs: no matter here.
WITHOUT_EFFECT: Final = frozenset(
    (
        *("wire_client", "wire_server", "wire_server_ip", "wire_server_port", "wire_client_dev", "wire_server_dev"),
        *("verbose", "debug", "persistent_tun_dev", "tun_id", "init_scripts", "so_filename", "speed", "is_anyip"),
        *("send_omit_free",),
    )
)
UNSUPPORTED: Final = {
    "code_command": "blocks of code are Python, run in this process",
    "code_sockopt": "blocks of code get the fields of tcp_info",
    "code_format": "blocks of code are Python, run in this process",
    "non_fatal": "every difference ends a script here",
    "fuzz_file_name": "packets are not changed at random",
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
    timestamp_tick: int = _MILLISECOND
    strict_segments: bool = False
    any_option_order: bool = False
    dry_run: bool = False
    congestion: str | None = None
    tunables: dict[str, int] = field(default_factory=dict)
    notes: list[tuple[Place, str]] = field(default_factory=list)

    def configuration(self) -> StackConfig:
        """Returns the stack's configuration. Raises ConfigurationError."""
        try:
            prefix = ipaddress.IPv4Network(f"0.0.0.0/{self.netmask_ip}").prefixlen
        except ValueError:
            raise ConfigurationError(f"netmask_ip is {self.netmask_ip!r}, but must be a netmask") from None
        own = {"syn_retries", "syn_protection", "ttl"}
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


def _scaled(tunable: str, factor: int = 1) -> Callable[[Settings, list[int]], None]:
    def apply(settings: Settings, values: list[int]) -> None:
        settings.tunables[tunable] = values[0] * factor

    return apply


def _switch(tunable: str) -> Callable[[Settings, list[int]], None]:
    def apply(settings: Settings, values: list[int]) -> None:
        settings.tunables[tunable] = int(values[0] != 0)

    return apply


def _buffer(tunable: str) -> Callable[[Settings, list[int]], None]:
    """Three numbers: the least, what a buffer begins with, and what it may grow to."""

    def apply(settings: Settings, values: list[int]) -> None:
        settings.tunables[tunable] = values[min(1, len(values) - 1)]
        settings.tunables[f"{tunable}_maximum"] = max(values[-1], settings.tunables[tunable])

    return apply


def _ecn(settings: Settings, values: list[int]) -> None:
    settings.tunables["ecn"] = values[0] if values[0] in (0, 1, 2, 3) else 2


SYSCTLS: Final[dict[str, Callable[[Settings, list[int]], None]]] = {
    "tcp_timestamps": _switch("timestamps"),
    "tcp_window_scaling": _switch("window_scaling"),
    "tcp_sack": _switch("sack"),
    "tcp_frto": _switch("frto"),
    "tcp_ecn": _ecn,
    "tcp_syncookies": _switch("syn_protection"),
    "tcp_syn_retries": _scaled("syn_retries"),
    "tcp_synack_retries": _scaled("synack_retries"),
    "tcp_retries2": _scaled("data_retries"),
    "tcp_fin_timeout": _scaled("fin_wait_2", _SECOND),
    "tcp_invalid_ratelimit": _scaled("challenge_interval", _MILLISECOND),
    "tcp_rto_min_us": _scaled("rto_minimum", _MICROSECOND),
    "tcp_rto_max_ms": _scaled("rto_maximum", _MILLISECOND),
    "tcp_rmem": _buffer("receive_buffer"),
    "tcp_wmem": _buffer("send_buffer"),
    "ip_default_ttl": _scaled("ttl"),
    "icmp_ratelimit": _scaled("icmp_interval", _MILLISECOND),
}

_ASSIGNMENT: Final = re.compile(r"\bnet[./]ipv4[./](?P<name>\w+)\s*=\s*(?P<value>\"[^\"]*\"|'[^']*'|[^\s;]+)")
_PRODUCT: Final = re.compile(r"\$\(\(\s*(\d+(?:\s*\*\s*\d+)*)\s*\)\)")
_LARGEST_FILE: Final = 1 << 16
_ECHO: Final = re.compile(r"\becho\s+(?P<value>[^>]+?)\s*>\s*\S*net[./]ipv4[./](?P<name>\w+)")
_INITIAL_WINDOW: Final = re.compile(r"\binitcwnd\s+(\d+)")
_LEAST_TIMEOUT: Final = re.compile(r"\brto_min\s+(\d+)(ms|s)?")


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
    """Yields the events without a time before the first that has one."""
    for event in script.events:
        if event.when is not None:
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
            settings.notes.append((place, "--tolerance_percent is not used: times are exact here"))
        case "tcp_ts_tick_usecs":
            settings.timestamp_tick = _integer(option) * _MICROSECOND
        case "mss":
            settings.mtu = _integer(option) + 40
        case "strict_segments":
            settings.strict_segments = True
        case "dry_run":
            settings.dry_run = True
        case "option_order":
            if value not in ("any", "exact"):
                raise Unsupported(f"--option_order={value}: any or exact is needed", place)
            settings.any_option_order = value == "any"
        case _ if name in UNSUPPORTED:
            settings.notes.append((place, f"--{name} has no effect: {UNSUPPORTED[name]}"))
        case _ if name not in WITHOUT_EFFECT:
            raise Unsupported(f"--{name} is no option of the language", place)


def _address(option: ScriptOption) -> str:
    try:
        return str(ipaddress.IPv4Address(option.value or ""))
    except ValueError:
        raise Unsupported(f"--{option.name}={option.value}: an IPv4 address is needed", option.place) from None


def _integer(option: ScriptOption) -> int:
    if not (option.value or "").isdigit():
        raise Unsupported(f"--{option.name}={option.value}: a number is needed", option.place)
    return int(option.value or "0")


def apply_commands(settings: Settings, shell: Shell, place: Place, folder: Path) -> None:
    """Takes over what the commands would set, and notes the rest. folder: that of the script."""
    for number, line in enumerate(shell.text.replace("\\\n", " ").splitlines()):
        text = line.split("#")[0].strip()
        if text:
            here = Place(place.line + number, place.column if number == 0 else 1)
            if not _read_file(settings, text.split()[0], here, folder):
                _apply_line(settings, text, here)


def _read_file(settings: Settings, word: str, place: Place, folder: Path) -> bool:
    """Takes over the settings of a file of commands beside the script, if the word names one; it is not run either."""
    path = folder / word
    if path.suffix != ".sh" or not path.is_file() or path.stat().st_size > _LARGEST_FILE:
        return False
    others = settings.notes
    settings.notes = []
    for line in path.read_text(errors="replace").replace("\\\n", " ").splitlines():
        text = line.split("#")[0].strip()
        if text:
            _apply_line(settings, text, place)
    without = sum("no counterpart" in note for _, note in settings.notes)
    settings.notes = others
    settings.notes.append((place, f"{word} was read, not run; {without} of its settings have no counterpart"))
    return True


def _apply_line(settings: Settings, text: str, place: Place) -> None:
    known = False
    for match in [*_ASSIGNMENT.finditer(text), *_ECHO.finditer(text)]:
        known = True
        _apply_sysctl(settings, match["name"], match["value"].strip("\"' \t"), place)
    if window := _INITIAL_WINDOW.search(text):
        known = True
        settings.tunables["initial_window"] = int(window[1])
    if timeout := _LEAST_TIMEOUT.search(text):
        known = True
        settings.tunables["rto_minimum"] = int(timeout[1]) * (_SECOND if timeout[2] == "s" else _MILLISECOND)
    if not known:
        settings.notes.append((place, f"`{text}` is not run, and sets nothing that is known here"))


def _apply_sysctl(settings: Settings, name: str, value: str, place: Place) -> None:
    if name == "tcp_congestion_control":
        settings.congestion = {"reno": "newreno"}.get(value, value)
        return
    apply = SYSCTLS.get(name)
    numbers = _PRODUCT.sub(lambda found: str(math.prod(map(int, found[1].split("*")))), value).split()
    if apply is None:
        settings.notes.append((place, f"net.ipv4.{name} has no counterpart in this stack"))
    else:
        try:
            apply(settings, [int(each, 0) for each in numbers])
        except (ValueError, IndexError):
            settings.notes.append((place, f"net.ipv4.{name}={value}: no number"))
