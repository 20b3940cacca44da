"""What assertions of a script may look at: the core's variables of a connection under the kernel's names."""

from typing import Final

from netcore.endpoint import Endpoint
from netcore.engine import state_name

_MICROSECOND: Final = 1000
_INFINITE: Final = 0x7FFFFFFF  # what the kernel says while no loss has set the threshold

_STATES: Final = {
    "ESTABLISHED": 1,
    "SYN-SENT": 2,
    "SYN-RECEIVED": 3,
    "FIN-WAIT-1": 4,
    "FIN-WAIT-2": 5,
    "TIME-WAIT": 6,
    "CLOSED": 7,
    "CLOSE-WAIT": 8,
    "LAST-ACK": 9,
    "LISTEN": 10,
    "CLOSING": 11,
}
# the core's phases open, reducing, recovery, loss as the kernel's states of congestion avoidance
_PHASES: Final = (0, 2, 3, 4)
_DISORDER: Final = 1

_OPTION_TIMESTAMPS, _OPTION_SACK, _OPTION_WSCALE, _OPTION_ECN = 1, 2, 4, 8

CONSTANTS: Final = {
    "TCP_ESTABLISHED": 1,
    "TCP_SYN_SENT": 2,
    "TCP_SYN_RECV": 3,
    "TCP_FIN_WAIT1": 4,
    "TCP_FIN_WAIT2": 5,
    "TCP_TIME_WAIT": 6,
    "TCP_CLOSE": 7,
    "TCP_CLOSE_WAIT": 8,
    "TCP_LAST_ACK": 9,
    "TCP_LISTEN": 10,
    "TCP_CLOSING": 11,
    "TCP_CA_Open": 0,
    "TCP_CA_Disorder": 1,
    "TCP_CA_CWR": 2,
    "TCP_CA_Recovery": 3,
    "TCP_CA_Loss": 4,
    "TCPI_OPT_TIMESTAMPS": _OPTION_TIMESTAMPS,
    "TCPI_OPT_SACK": _OPTION_SACK,
    "TCPI_OPT_WSCALE": _OPTION_WSCALE,
    "TCPI_OPT_ECN": _OPTION_ECN,
    "TCPI_OPT_ECN_SEEN": 16,
    "TCPI_OPT_SYN_DATA": 32,
    "TCPI_OPT_USEC_TS": 64,
}


def _segments(count: int, size: int) -> int:
    return -(-count // size) if size else 0


def tcp_info(endpoint: Endpoint) -> dict[str, int]:
    """Returns the fields of the kernel's struct tcp_info that the core knows; times in µs, windows in segments.

    Empty when the connection is gone.
    """
    core = endpoint.info()
    if not core:
        return {}
    size = core["eff_mss"]
    options = _OPTION_TIMESTAMPS if core["timestamps"] else 0
    options |= _OPTION_SACK if core["sack"] else 0
    options |= _OPTION_WSCALE if core["snd_wind_shift"] or core["rcv_wind_shift"] else 0
    options |= _OPTION_ECN if core["ecn"] else 0
    threshold = core["ssthresh"]
    return {
        "tcpi_ca_state": _PHASES[core["phase"]] or (_DISORDER if core["sacked"] or core["dupacks"] else 0),
        "tcpi_state": _STATES[state_name(core["state"])],
        "tcpi_retransmits": core["retries"],
        "tcpi_backoff": core["backoff"],
        "tcpi_options": options,
        "tcpi_snd_wscale": core["snd_wind_shift"],
        "tcpi_rcv_wscale": core["rcv_wind_shift"],
        "tcpi_rto": core["rto"] // _MICROSECOND,
        "tcpi_snd_mss": size,
        "tcpi_unacked": _segments(core["flight"], size),
        "tcpi_sacked": _segments(core["sacked"], size),
        "tcpi_rtt": core["srtt"] // _MICROSECOND,
        "tcpi_rttvar": core["rttvar"] // _MICROSECOND,
        "tcpi_snd_ssthresh": _INFINITE if threshold >= 1 << 30 else threshold // size if size else 0,
        "tcpi_snd_cwnd": core["cwnd"] // size if size else 0,
        "tcpi_min_rtt": core["min_rtt"] // _MICROSECOND,
        "tcpi_pacing_rate": core["pacing_rate"],
        "tcpi_bytes_acked": max(0, (core["snd_una"] - core["iss"]) % (1 << 32) - 1),
        "tcpi_bytes_received": max(0, (core["rcv_nxt"] - core["irs"]) % (1 << 32) - 1),
        "tcpi_notsent_bytes": max(0, endpoint.buffered_bytes - core["flight"]),
        "tcpi_snd_wnd": core["snd_wnd"],
        "tcpi_rcv_wnd": core["rcv_wnd"],
    }
