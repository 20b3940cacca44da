"""Anybody may send an ICMP error, so it must quote what is in flight now, and even then it does little."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from netcore.paths cimport learn_path_mtu, path_mtu_to
from netcore.tcp.fastopen cimport give_up_fast
from netcore.tcp.lifecycle cimport finish
from netcore.tcp.path_mtu cimport path_narrows
from netcore.tcp.seqnum cimport seq_geq, seq_lt
from netcore.tcp.signature cimport is_icmp_ignored
from netcore.tcp.table cimport find_entry
from netcore.tcp.tcb cimport (
    CLOSED, ENTRY_CONNECTION, LISTEN, STATUS_UNREACHABLE, SYN_RECEIVED, SYN_SENT, TIME_WAIT, entry_t, is_synchronized,
    tcb_t, transport_t,
)
from netcore.wire.icmp cimport (
    CODE_FRAGMENTATION_NEEDED, CODE_PORT_UNREACHABLE, CODE_PROTOCOL_UNREACHABLE, ICMP_UNREACHABLE,
)


cdef uint32_t plateau_below(uint32_t length) noexcept nogil:
    """RFC 1191 7.1: the MTU of the largest kind of link that a packet of this length is too large for."""
    if length > 32000:
        return 32000
    if length > 17914:
        return 17914
    if length > 8166:
        return 8166
    if length > 4352:
        return 4352
    if length > 2002:
        return 2002
    if length > 1492:
        return 1492
    if length > 1006:
        return 1006
    if length > 508:
        return 508
    return 296 if length > 296 else 68


cdef void take_mtu(tcb_t* tcb, const quoted_t* quoted, int64_t now) noexcept nogil:
    """RFC 1191 6.3"""
    cdef transport_t* transport = tcb.transport
    cdef uint32_t mtu = quoted.mtu if quoted.mtu else plateau_below(quoted.packet_length)
    cdef uint32_t least = <uint32_t> transport.tunables.path_mtu_minimum
    cdef uint32_t known
    cdef int64_t expires = 0
    if not transport.tunables.path_mtu_discovery or mtu >= quoted.packet_length:
        # what is said to be too large was not
        return
    if is_synchronized(tcb):
        if not path_narrows(tcb, mtu, now):
            return
    if mtu < least:
        mtu = least
    known = path_mtu_to(&transport.paths, &tcb.entry.remote, now, &expires)
    if known == 0 or mtu < known:
        learn_path_mtu(&transport.paths, &tcb.entry.remote, mtu, now + transport.tunables.path_mtu_lifetime)


cdef void error_arrives(transport_t* transport, const quoted_t* quoted, uint8_t kind, uint8_t code,
                        int64_t now) noexcept nogil:
    cdef entry_t* entry = find_entry(transport, &quoted.local, quoted.local_port, &quoted.remote, quoted.remote_port)
    cdef tcb_t* tcb
    if entry == NULL:
        return
    if is_icmp_ignored(entry, kind, code):
        transport.counters.TCPAODroppedIcmps += 1
        return
    if entry.kind != ENTRY_CONNECTION:
        return
    tcb = <tcb_t*> entry
    if tcb.state == LISTEN or tcb.state == CLOSED or tcb.state == TIME_WAIT:
        return
    # RFC 5927 4: a segment that is in flight
    if not (seq_geq(quoted.seq, tcb.snd_una) and seq_lt(quoted.seq, tcb.snd_nxt)):
        transport.counters.OutOfWindowIcmps += 1
        return
    if kind == ICMP_UNREACHABLE and code == CODE_FRAGMENTATION_NEEDED:
        take_mtu(tcb, quoted, now)
        return
    tcb.soft_error = <uint16_t> (kind << 8 | code)
    if tcb.state == SYN_SENT:
        give_up_fast(tcb, now)
        if tcb.icmp_fails_connect:
            finish(tcb, STATUS_UNREACHABLE)
    elif tcb.state == SYN_RECEIVED and kind == ICMP_UNREACHABLE:
        if code == CODE_PROTOCOL_UNREACHABLE or code == CODE_PORT_UNREACHABLE:
            # RFC 1122 4.2.3.9; an established connection outlives it (RFC 5927 5.2)
            finish(tcb, STATUS_UNREACHABLE)
