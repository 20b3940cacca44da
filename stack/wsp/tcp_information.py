"""SIO_TCP_INFO (IOCTL-16 to 18): what a connection tells of itself, in Windows' structure."""

import ctypes
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from netcore.connections import connection_counts
from stack.wsp import arguments
from stack.wsp.constants import WSAEINVAL, WSAEMSGSIZE, WSAEOPNOTSUPP
from stack.wsp.errors import EntryFailure
from stack.wsp.structures import TCP_INFO_v0, TCP_INFO_v1

if TYPE_CHECKING:
    from stack.wsp.provider import Provider
    from stack.wsp.sockets import Socket

_FORMS: Final = (TCP_INFO_v0, TCP_INFO_v1)
_LISTEN: Final = 1
_MILLISECOND: Final = 1_000_000
_MOST: Final = 0xFFFF_FFFF
# Windows' names of what kept the sender, and ours: where it had nothing to send, it was the sender itself
_LIMITS: Final = {"Rwin": ("window",), "Cwnd": ("path",), "Snd": ("nothing", "buffer")}


def tcp_information(provider: "Provider", socket: "Socket", given: tuple[Any, int], wanted: tuple[Any, int]) -> int:
    """Writes the structure of the version asked for; returns its size in bytes. Raises EntryFailure.

    BytesReordered, BytesRetrans, FastRetrans, DupAcksIn, TimeoutEpisodes, ConnectionTimeMs and all of version 1 are 0
    where the stack does not count them (connection_statistics).
    """
    if given[1] != ctypes.sizeof(ctypes.c_uint32):
        raise EntryFailure(WSAEMSGSIZE)
    version = int.from_bytes(arguments.memory(given[0], 4), "little")
    if version >= len(_FORMS):
        raise EntryFailure(WSAEMSGSIZE)
    if not socket.stream:
        raise EntryFailure(WSAEOPNOTSUPP)
    form = _FORMS[version]
    size = ctypes.sizeof(form)
    if wanted[1] < size:
        raise EntryFailure(WSAEINVAL)
    place = arguments.writable_memory(wanted[0], size)
    fields = _fields_of(socket)
    if version == 0:
        fields = {name: value for name, value in fields.items() if not name.startswith("SndLim")}
    place[:] = bytes(form(**fields))
    return size


def _fields_of(socket: "Socket") -> dict[str, int]:
    endpoint = socket.endpoint or (socket.attempt.endpoint if socket.attempt is not None else None)
    if endpoint is None:
        return {"State": _LISTEN if socket.listener is not None else 0}
    variables, info, counts = endpoint.info(), endpoint.tcp_info(), connection_counts(endpoint)
    if not variables or not info:
        return {"State": 0}
    unsent = info["tcpi_notsent_bytes"]
    return {
        "State": variables["state"],
        "Mss": info["tcpi_snd_mss"],
        "ConnectionTimeMs": counts.get("age", 0) // _MILLISECOND,
        "TimestampsEnabled": variables["timestamps"],
        "RttUs": info["tcpi_rtt"],
        "MinRttUs": info["tcpi_min_rtt"],
        "BytesInFlight": variables["flight"],
        "Cwnd": variables["cwnd"],
        "SndWnd": info["tcpi_snd_wnd"],
        "RcvWnd": info["tcpi_rcv_wnd"],
        "RcvBuf": endpoint.receive_buffer,
        "BytesOut": info["tcpi_bytes_acked"] + max(0, endpoint.buffered_bytes - unsent),
        "BytesIn": info["tcpi_bytes_received"],
        "BytesReordered": min(counts.get("bytes_reordered", 0), _MOST),
        "BytesRetrans": min(info.get("tcpi_bytes_retrans", 0), _MOST),
        "FastRetrans": counts.get("fast_retrans", 0),
        "DupAcksIn": counts.get("dup_acks", 0),
        "TimeoutEpisodes": info.get("tcpi_total_rto_recoveries", 0),
        "SynRetrans": min(counts.get("syn_retrans", 0), 0xFF),
        **_limits(counts.get("limited", {})),
    }


def _limits(limited: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    fields = {}
    for name, parts in _LIMITS.items():
        shares = [limited[part] for part in parts if part in limited]
        fields[f"SndLimTrans{name}"] = sum(share["entries"] for share in shares)
        fields[f"SndLimTime{name}"] = min(sum(share["time"] for share in shares) // _MILLISECOND, _MOST)
        fields[f"SndLimBytes{name}"] = sum(share["bytes"] for share in shares)
    return fields
