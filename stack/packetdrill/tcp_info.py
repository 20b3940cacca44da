"""What assertions of a script may look at: the core's variables of a connection under the kernel's names."""

from collections.abc import Sequence
from typing import Final

from netcore.endpoint import Endpoint
from stack.wsp.sockets import Socket

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
    "TCP_INFINITE_SSTHRESH": 0x7FFF_FFFF,
    "TCPI_OPT_TIMESTAMPS": _OPTION_TIMESTAMPS,
    "TCPI_OPT_SACK": _OPTION_SACK,
    "TCPI_OPT_WSCALE": _OPTION_WSCALE,
    "TCPI_OPT_ECN": _OPTION_ECN,
    "TCPI_OPT_ECN_SEEN": 16,
    "TCPI_OPT_SYN_DATA": 32,
    "TCPI_OPT_USEC_TS": 64,
}


def tcp_info(endpoint: Endpoint) -> dict[str, int]:
    """Returns the fields of the kernel's struct tcp_info that the core knows (`Endpoint.tcp_info`).

    Empty when the connection is gone.
    """
    return endpoint.tcp_info()


def state_without_connection(sockets: Sequence[Socket]) -> int:
    """Returns tcpi_state where there is no connection: that of the socket opened last."""
    return CONSTANTS["TCP_LISTEN" if sockets and sockets[-1].listener is not None else "TCP_CLOSE"]
