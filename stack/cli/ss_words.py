"""What `ss` calls states and the fields of tcp_info."""

from collections.abc import Mapping
from typing import Any, Final

SHORT: Final = {
    "ESTABLISHED": "ESTAB",
    "SYN-SENT": "SYN-SENT",
    "SYN-RECEIVED": "SYN-RECV",
    "FIN-WAIT-1": "FIN-WAIT-1",
    "FIN-WAIT-2": "FIN-WAIT-2",
    "TIME-WAIT": "TIME-WAIT",
    "CLOSED": "UNCONN",
    "CLOSE-WAIT": "CLOSE-WAIT",
    "LAST-ACK": "LAST-ACK",
    "LISTEN": "LISTEN",
    "CLOSING": "CLOSING",
}
"""RFC 9293's names of the states: those of ss."""

_ALL: Final = frozenset(SHORT)
_SMALL: Final = frozenset({"TIME-WAIT", "SYN-RECEIVED"})

ORDINARY: Final = _ALL - _SMALL - {"LISTEN", "CLOSED"}
"""What is shown unless something else is asked for."""

GROUPS: Final[dict[str, frozenset[str]]] = {
    "all": _ALL,
    "connected": _ALL - {"LISTEN", "CLOSED"},
    "synchronized": _ALL - {"LISTEN", "CLOSED", "SYN-SENT"},
    "bucket": _SMALL,
    "big": _ALL - _SMALL,
    **{state.lower(): frozenset({state}) for state in SHORT},
    **{word.lower(): frozenset({state}) for state, word in SHORT.items()},
    "listening": frozenset({"LISTEN"}),
}
"""What may be said of states: their names, here and there, and those of groups (ss(8))."""

_OPTIONS: Final = ((1, "ts"), (2, "sack"), (8, "ecn"))
_PHASES: Final = {1: "disorder", 2: "cwr", 3: "recovery", 4: "loss"}
_NO_THRESHOLD: Final = 0x7FFFFFFF

# (word, field) of what is written as word:value, in the order of ss; the second part only where it is not zero
_ALWAYS: Final = (
    ("mss", "snd_mss"),
    ("pmtu", "pmtu"),
    ("rcvmss", "rcv_mss"),
    ("advmss", "advmss"),
    ("cwnd", "snd_cwnd"),
)
_COUNTS: Final = tuple(
    (name, name)
    for name in (
        "bytes_sent",
        "bytes_retrans",
        "bytes_acked",
        "bytes_received",
        "segs_out",
        "segs_in",
        "data_segs_out",
        "data_segs_in",
    )
)
_TIMES: Final = (("lastsnd", "last_data_sent"), ("lastrcv", "last_data_recv"), ("lastack", "last_ack_recv"))
_REST: Final = (
    ("unacked", "unacked"),
    ("lost", "lost"),
    ("sacked", "sacked"),
    ("dsack_dups", "dsack_dups"),
    ("reord_seen", "reord_seen"),
    ("rcv_space", "rcv_space"),
    ("rcv_ssthresh", "rcv_ssthresh"),
    ("notsent", "notsent_bytes"),
    ("rcv_ooopack", "rcv_ooopack"),
    ("snd_wnd", "snd_wnd"),
    ("rcv_wnd", "rcv_wnd"),
)


def rate(octets: float) -> str:
    """Returns a rate of bytes per second as ss writes it: bits per second with a factor."""
    bits = octets * 8
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if bits >= factor:
            return f"{bits / factor:.3g}{unit}bps" if bits < 1000 * factor else f"{bits / factor:.0f}{unit}bps"
    return f"{bits:.0f}bps"


def timer_words(timer: Mapping[str, Any] | None, info: Mapping[str, int]) -> str:
    """Returns what `ss -o` says of the timer: name, time left, time-outs in vain."""
    if timer is None:
        return ""
    left = f"{timer['ms']}ms" if timer["ms"] < 1000 else f"{timer['ms'] / 1000:.3g}sec"
    return f"timer:({timer['name']},{left},{info.get('tcpi_retransmits', 0) or info.get('tcpi_probes', 0)})"


def info_words(info: Mapping[str, int], congestion: str | None) -> str:
    """Returns what `ss -i` says of a connection, as far as there is a source for it."""

    def of(name: str) -> int:
        return info.get(f"tcpi_{name}", 0)

    words = [word for bit, word in _OPTIONS if of("options") & bit]
    if congestion:
        words.append(congestion)
    if of("options") & 4:
        words.append(f"wscale:{of('snd_wscale')},{of('rcv_wscale')}")
    words.append(f"rto:{of('rto') / 1000:.3g}" if of("rto") < 1000 else f"rto:{of('rto') // 1000}")
    if of("backoff"):
        words.append(f"backoff:{of('backoff')}")
    if of("rtt"):
        words.append(f"rtt:{_milliseconds(of('rtt'))}/{_milliseconds(of('rttvar'))}")
    words.append(f"ato:{of('ato') // 1000}")
    words += [f"{word}:{of(name)}" for word, name in _ALWAYS]
    if of("snd_ssthresh") != _NO_THRESHOLD:
        words.append(f"ssthresh:{of('snd_ssthresh')}")
    if of("ca_state"):
        words.append(f"ca_state:{_PHASES.get(of('ca_state'), of('ca_state'))}")
    words += [f"{word}:{of(name)}" for word, name in _COUNTS if of(name)]
    if of("rtt"):
        words.append(f"send {rate(of('snd_cwnd') * of('snd_mss') * 1e6 / of('rtt'))}")
    words += [f"{word}:{info[f'tcpi_{name}']}" for word, name in _TIMES if f"tcpi_{name}" in info]
    if of("pacing_rate"):
        words.append(f"pacing_rate {rate(of('pacing_rate'))}")
    if of("delivery_rate"):
        words.append(f"delivery_rate {rate(of('delivery_rate'))}")
    if of("delivered"):
        words.append(f"delivered:{of('delivered')}")
    if of("delivered_ce"):
        words.append(f"delivered_ce:{of('delivered_ce')}")
    if of("busy_time"):
        words.append(f"busy:{of('busy_time') // 1000}ms")
        words += [
            f"{name}:{of(name) // 1000}ms({100 * of(name) / of('busy_time'):.1f}%)"
            for name in ("rwnd_limited", "sndbuf_limited")
            if of(name)
        ]
    if of("retrans") or of("total_retrans"):
        words.append(f"retrans:{of('retrans')}/{of('total_retrans')}")
    if of("rcv_rtt"):
        words.append(f"rcv_rtt:{_milliseconds(of('rcv_rtt'))}")
    words += [f"{word}:{of(name)}" for word, name in _REST if of(name)]
    if of("min_rtt"):
        words.append(f"minrtt:{_milliseconds(of('min_rtt'))}")
    return " ".join(words)


def _milliseconds(microseconds: int) -> str:
    return f"{microseconds / 1000:.3f}".rstrip("0").rstrip(".")
