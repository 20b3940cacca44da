"""Commands between backquotes -> what they would set, as far as this stack has it. No command is ever run.

What names a setting of Linux (net.ipv4) or of FreeBSD (net.inet, kern.ipc) that has a counterpart is taken over;
everything else is noted.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stack.packetdrill.script import Place, Shell

if TYPE_CHECKING:
    from stack.packetdrill.settings import Settings

_SECOND: Final = 1_000_000_000
_MILLISECOND: Final = 1_000_000
_MICROSECOND: Final = 1_000
_LARGEST_BUFFER: Final = 0x3FFFFFFF  # a window that RFC 7323 can say

Apply = Callable[["Settings", list[int]], None]


def _scaled(tunable: str, factor: int = 1) -> Apply:
    def apply(settings: "Settings", values: list[int]) -> None:
        settings.tunables[tunable] = values[0] * factor

    return apply


def _switch(tunable: str) -> Apply:
    def apply(settings: "Settings", values: list[int]) -> None:
        settings.tunables[tunable] = int(values[0] != 0)

    return apply


def _unless(tunable: str) -> Apply:
    def apply(settings: "Settings", values: list[int]) -> None:
        settings.tunables[tunable] = int(values[0] == 0)

    return apply


def _buffer(tunable: str) -> Apply:
    """Three numbers: the least, what a buffer begins with, and what it may grow to."""

    def apply(settings: "Settings", values: list[int]) -> None:
        settings.tunables[tunable] = min(values[min(1, len(values) - 1)], _LARGEST_BUFFER)
        settings.tunables[f"{tunable}_maximum"] = max(min(values[-1], _LARGEST_BUFFER), settings.tunables[tunable])

    return apply


_NEAREST_ECN: Final = {4: 1, 5: 2}  # accurate for those who ask, and as 1 and 2 for the others: not told apart here


def _ecn(settings: "Settings", values: list[int]) -> None:
    settings.tunables["ecn"] = _NEAREST_ECN.get(values[0], values[0])


def _both_of_rfc_1323(settings: "Settings", values: list[int]) -> None:
    """FreeBSD's net.inet.tcp.rfc1323: 0 neither, 1 both, 2 the window scale alone, 3 timestamps alone."""
    settings.tunables["window_scaling"] = int(values[0] in (1, 2))
    settings.tunables["timestamps"] = int(values[0] in (1, 3))


def _largest_socket_buffer(settings: "Settings", values: list[int]) -> None:
    for tunable in ("receive_buffer", "send_buffer"):
        settings.tunables[f"{tunable}_maximum"] = min(values[0], _LARGEST_BUFFER)
        if settings.tunables.get(tunable, 0) > values[0]:
            settings.tunables[tunable] = values[0]


SYSCTLS: Final[dict[str, Apply]] = {
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
    "tcp_keepalive_time": _scaled("keepalive_time_ms", 1000),
    "tcp_keepalive_intvl": _scaled("keepalive_interval_ms", 1000),
    "tcp_keepalive_probes": _scaled("keepalive_count"),
    "tcp_probe_interval": _scaled("path_probe_interval", _SECOND),
    "tcp_rmem": _buffer("receive_buffer"),
    "tcp_wmem": _buffer("send_buffer"),
    "ip_default_ttl": _scaled("ttl"),
    "ip_no_pmtu_disc": _unless("path_mtu_discovery"),
    "ipfrag_time": _scaled("reassembly_time", _SECOND),
    "ipfrag_high_thresh": _scaled("reassembly_memory"),
    "icmp_ratelimit": _scaled("icmp_interval", _MILLISECOND),
}

BSD_SYSCTLS: Final[dict[str, Apply]] = {
    "net.inet.tcp.rfc1323": _both_of_rfc_1323,
    "net.inet.tcp.sack.enable": _switch("sack"),
    "net.inet.tcp.ecn.enable": _ecn,
    "net.inet.tcp.syncookies": _switch("syn_protection"),
    "net.inet.tcp.initcwnd_segments": _scaled("initial_window"),
    "net.inet.tcp.recvspace": _scaled("receive_buffer"),
    "net.inet.tcp.sendspace": _scaled("send_buffer"),
    "net.inet.tcp.finwait2_timeout": _scaled("fin_wait_2", _MILLISECOND),
    "net.inet.tcp.rexmit_initial": _scaled("rto_initial", _MILLISECOND),
    "net.inet.tcp.rexmit_min": _scaled("rto_minimum", _MILLISECOND),
    "net.inet.tcp.delacktime": _scaled("delayed_ack", _MILLISECOND),
    "net.inet.tcp.msl": _scaled("msl", _MILLISECOND),
    "net.inet.tcp.keepidle": _scaled("keepalive_time_ms"),
    "net.inet.tcp.keepintvl": _scaled("keepalive_interval_ms"),
    "net.inet.tcp.keepcnt": _scaled("keepalive_count"),
    "net.inet.tcp.path_mtu_discovery": _switch("path_mtu_discovery"),
    "net.inet.ip.ttl": _scaled("ttl"),
    "kern.ipc.maxsockbuf": _largest_socket_buffer,
}

_CONGESTION: Final = ("net.ipv4.tcp_congestion_control", "net.inet.tcp.cc.algorithm")
_NAME: Final = r"(?P<name>(?:net|kern)[./](?:ipv4|inet|core|ipc)[./][\w./]+)"
_ASSIGNMENT: Final = re.compile(rf"\b{_NAME}\s*=\s*(?P<value>\"[^\"]*\"|'[^']*'|[^\s;]+)")
_PRODUCT: Final = re.compile(r"\$\(\(\s*(\d+(?:\s*\*\s*\d+)*)\s*\)\)")
_LARGEST_FILE: Final = 1 << 16
_ECHO: Final = re.compile(rf"\becho\s+(?:-n\s+)?(?P<value>[^>]+?)\s*>\s*/proc/sys/{_NAME}")
_INITIAL_WINDOW: Final = re.compile(r"\binitcwnd\s+(\d+)")
_LEAST_TIMEOUT: Final = re.compile(r"\brto_min\s+(\d+)(ms|s)?")


def apply_commands(settings: "Settings", shell: Shell, place: Place, folder: Path) -> None:
    """Takes over what the commands would set, and notes the rest. folder: that of the script."""
    for number, line in enumerate(shell.text.replace("\\\n", " ").splitlines()):
        text = line.split("#")[0].strip()
        if text:
            here = Place(place.line + number, place.column if number == 0 else 1)
            if not _read_file(settings, text.split()[0], here, folder):
                _apply_line(settings, text, here)


def _read_file(settings: "Settings", word: str, place: Place, folder: Path) -> bool:
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


def _apply_line(settings: "Settings", text: str, place: Place) -> None:
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


def _apply_sysctl(settings: "Settings", name: str, value: str, place: Place) -> None:
    name = name.replace("/", ".")
    if name in _CONGESTION:
        settings.congestion = {"reno": "newreno"}.get(value, value)
        return
    apply = BSD_SYSCTLS.get(name) or SYSCTLS.get(name.removeprefix("net.ipv4."))
    numbers = _PRODUCT.sub(lambda found: str(math.prod(map(int, found[1].split("*")))), value).split()
    if apply is None:
        settings.notes.append((place, f"{name} has no counterpart in this stack"))
    else:
        try:
            apply(settings, [int(each, 0) for each in numbers])
        except (ValueError, IndexError):
            settings.notes.append((place, f"{name}={value}: no number"))
