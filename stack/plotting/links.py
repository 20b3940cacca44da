"""Where the IP packet of a frame begins, for each link type of the LINKTYPE_ registry that Linux and its tools write.

Of a link type that is not here, scapy is asked when it is installed; it takes some hundred microseconds a frame.
"""

from collections.abc import Callable

import numpy as np

from stack.plotting.columns import Integers, big_endian
from stack.plotting.records import Records

NULL, ETHERNET, PPP, RAW, LOOP, SLL, PPPOE, IPV4, IPV6, SLL2 = 0, 1, 9, 101, 108, 113, 51, 228, 229, 276
RAW_OF_OTHERS = (12, 14)  # what DLT_RAW is on BSD

VLAN_TAGS = (0x8100, 0x88A8, 0x9100)
PPPOE_SESSION = 0x8864
IP_TYPES = (0x0800, 0x86DD)
PPP_IP = (0x0021, 0x0057)

NOWHERE = -1


class LinkUnknown(ValueError):
    """The link type is not known, and nobody is there to ask; the message tells what to do."""


def network_offsets(records: Records) -> Integers:
    """Returns for each frame the place of its IP header in `records.octets`, or NOWHERE.

    That what stands there is an IP header that was captured whole is not checked.
    Raises LinkUnknown.
    """
    found = np.full(len(records), NOWHERE, dtype=np.int64)
    for link in np.unique(records.link).tolist():
        chosen = np.flatnonzero(records.link == link)
        reader = _READERS.get(link)
        found[chosen] = reader(records, chosen) if reader is not None else _by_scapy(records, chosen, link)
    return found


def _fixed(length: int) -> Callable[[Records, Integers], Integers]:
    return lambda records, chosen: records.offset[chosen] + length


def _typed(type_at: int, length: int) -> Callable[[Records, Integers], Integers]:
    """A header of `length` octets whose EtherType is at `type_at`."""

    def read(records: Records, chosen: Integers) -> Integers:
        place = records.offset[chosen] + type_at
        network = records.offset[chosen] + length
        end = records.offset[chosen] + records.captured[chosen]
        kind = _number(records, place, end)
        for _ in range(4):  # tags upon tags
            tagged = np.isin(kind, VLAN_TAGS)
            if not tagged.any():
                break
            kind[tagged] = _number(records, network[tagged] + 2, end[tagged])
            network[tagged] += 4
        session = kind == PPPOE_SESSION
        inside = np.isin(_number(records, network + 6, end), PPP_IP) & session
        return np.where(np.isin(kind, IP_TYPES), network, np.where(inside, network + 8, NOWHERE))

    return read


def _ppp(records: Records, chosen: Integers) -> Integers:
    """PPP, with or without its address and control octets, the protocol in one octet or two (RFC 1661, 1662)."""
    end = records.offset[chosen] + records.captured[chosen]
    place = records.offset[chosen].copy()
    place[_number(records, place, end) == 0xFF03] += 2
    kind = _number(records, place, end)
    short = np.isin(kind >> 8, PPP_IP)
    return np.where(short, place + 1, np.where(np.isin(kind, PPP_IP), place + 2, NOWHERE))


def _number(records: Records, at: Integers, end: Integers) -> Integers:
    """Reads two octets, -1 where they were not captured."""
    there = at + 2 <= end
    value = np.full(len(at), -1, dtype=np.int64)
    value[there] = big_endian(records.octets, at[there], 2)
    return value


def _by_scapy(records: Records, chosen: Integers, link: int) -> Integers:
    try:
        from scapy.config import conf
        from scapy.layers import all as layers  # noqa: F401  # registers what there is
        from scapy.layers.inet import IP
        from scapy.layers.inet6 import IPv6
    except ImportError as error:
        raise LinkUnknown(
            f"frames of link type {link} are not known here; with scapy they may be: pip install scapy"
        ) from error
    if link not in conf.l2types.num2layer:
        raise LinkUnknown(f"frames of link type {link} are known neither here nor to scapy: capture Ethernet or raw IP")
    layer = conf.l2types.num2layer[link]
    found = np.full(len(chosen), NOWHERE, dtype=np.int64)
    for place, index in enumerate(chosen.tolist()):
        offset = int(records.offset[index])
        frame = records.octets[offset : offset + int(records.captured[index])].tobytes()
        packet = layer(frame)
        inner = packet.getlayer(IP) or packet.getlayer(IPv6)
        if inner is not None and (start := frame.find(inner.original[:40])) >= 0:
            found[place] = offset + start
    return found


_READERS: dict[int, Callable[[Records, Integers], Integers]] = {
    NULL: _fixed(4),
    LOOP: _fixed(4),
    ETHERNET: _typed(12, 14),
    SLL: _typed(14, 16),
    SLL2: _typed(0, 20),
    PPPOE: lambda records, chosen: np.where(
        np.isin(
            _number(records, records.offset[chosen] + 6, records.offset[chosen] + records.captured[chosen]), PPP_IP
        ),
        records.offset[chosen] + 8,
        NOWHERE,
    ),
    PPP: _ppp,
    **{link: _fixed(0) for link in (RAW, IPV4, IPV6, *RAW_OF_OTHERS)},
}
