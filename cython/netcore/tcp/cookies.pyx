"""Cookie layout: 5 bits of a 64 s clock, 3 bits of an MSS table, 24 bits of a keyed hash of everything else.

Window scale, SACK-permitted and ECN ride in the low bits of our timestamp, which the peer echoes (TCPX-3); a peer
without timestamps goes without them.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from netcore.posix cimport memset
from netcore.storage.siphash cimport siphash
from netcore.tcp.ecn cimport is_ecn_setup
from netcore.tcp.isn cimport timestamp_offset
from netcore.tcp.lifecycle cimport give_birth, new_control, sign_control
from netcore.tcp.options cimport take_syn_options, window_shift_for
from netcore.tcp.signature cimport restart_extensions
from netcore.tcp.tcb cimport (
    FLOOD_PARTS, LISTEN, SYN_RECEIVED, change_state, listener_t, segment_out_t, tcb_t, transport_t,
)
from netcore.wire.tcp cimport (
    ACK, CWR, ECE, SYN, put_mss, put_sack_permitted, put_timestamps, put_window_scale, segment_t,
)

cdef enum:
    PERIOD = 64000000000LL
    PERIODS_VALID = 3
    MSS_COUNT = 8
    # low bits of the timestamp: 4 of window scale (15: none), one of SACK-permitted, one of ECN
    TIMESTAMP_BITS = 63
    NO_SCALE = 15
    SACK_BIT = 16
    ECN_BIT = 32

cdef uint16_t[8] MSS_TABLE = [64, 536, 1220, 1360, 1400, 1440, 1460, 8960]


cdef uint32_t make_cookie(transport_t* transport, const segment_t* seg, uint32_t irs, int64_t period,
                          uint32_t index) noexcept nogil:
    cdef uint64_t words[7]
    words[0] = seg.destination.high
    words[1] = seg.destination.low
    words[2] = seg.source.high
    words[3] = seg.source.low
    words[4] = (<uint64_t> seg.destination_port << 16) | seg.source_port
    words[5] = (<uint64_t> irs << 8) | index
    words[6] = <uint64_t> period
    return (<uint32_t> (period & 31) << 27 | index << 24
            | <uint32_t> (siphash(&transport.cookie_key, words, 7) & 0xffffff))


cdef void roll_parts(listener_t* listener, int64_t now) noexcept nogil:
    """Moves on to the part of time that `now` is in; parts that passed unused are empty."""
    cdef int64_t width = listener.transport.tunables.syn_flood_calm // FLOOD_PARTS + 1
    cdef int64_t part = now // width
    cdef int64_t at = listener.flood.part
    if part - at > FLOOD_PARTS:
        at = part - FLOOD_PARTS - 1
    while at < part:
        at += 1
        listener.flood.sent[at % (FLOOD_PARTS + 1)] = 0
        listener.flood.validated[at % (FLOOD_PARTS + 1)] = 0
    listener.flood.part = part


cdef void judge_flood(listener_t* listener, uint32_t aged, uint32_t occupied, int64_t now) noexcept nogil:
    cdef int64_t unanswered = 0
    cdef bint full = occupied >= listener.backlog
    cdef bint attacked = full and listener.transport.tunables.syn_protection and aged and 2 * aged >= occupied
    cdef int i
    if not listener.flood.on:
        if attacked:
            listener.flood.on = True
            listener.flood.since = now
            listener.transport.counters.SynFloodsBegun += 1
        return
    roll_parts(listener, now)
    # a mode that would be entered again at once is not left: the SYN between would be refused (LISTEN-77)
    if attacked or now - listener.flood.since < listener.transport.tunables.syn_flood_calm:
        return
    for i in range(FLOOD_PARTS + 1):
        unanswered += <int64_t> listener.flood.sent[i] - listener.flood.validated[i]
    if 2 * unanswered < listener.backlog:
        listener.flood.on = False
        listener.transport.counters.SynFloodsEnded += 1


cdef void send_cookie(listener_t* listener, const segment_t* seg, int64_t now) noexcept nogil:
    cdef transport_t* transport = listener.transport
    cdef segment_out_t* out = new_control(transport)
    cdef uint32_t index = 0
    cdef uint32_t clock, stamp
    cdef uint16_t mss = seg.mss if seg.has_mss else 536
    cdef int64_t window = transport.tunables.receive_buffer
    cdef bint timestamps = seg.has_timestamps and transport.tunables.timestamps != 0
    cdef bint sack = timestamps and seg.sack_permitted and transport.tunables.sack != 0
    cdef bint scale = timestamps and seg.has_window_scale and transport.tunables.window_scaling != 0
    cdef bint ecn = timestamps and is_ecn_setup(seg) and transport.tunables.ecn != 0
    if out == NULL:
        return
    while index + 1 < MSS_COUNT and MSS_TABLE[index + 1] <= mss:
        index += 1
    out.local = seg.destination
    out.remote = seg.source
    out.local_port = seg.destination_port
    out.remote_port = seg.source_port
    out.seq = make_cookie(transport, seg, seg.seq, now // PERIOD, index)
    out.ack = seg.seq + 1
    out.flags = SYN | ACK | (ECE if ecn else 0)
    out.wnd = <uint16_t> (window if window < 65535 else 65535)
    out.options_length = put_mss(out.options, transport.local_mss)
    if scale:
        out.options_length += put_window_scale(out.options + out.options_length,
                                               window_shift_for(transport.tunables.receive_buffer_maximum))
    if sack:
        out.options_length += put_sack_permitted(out.options + out.options_length, 0 if seg.signatures else 2)
    if timestamps:
        clock = timestamp_offset(&transport.timestamp_key, &seg.destination, &seg.source)
        clock += <uint32_t> (now // 1_000_000)
        stamp = (clock & ~<uint32_t> TIMESTAMP_BITS) | (seg.window_scale if scale else NO_SCALE)
        if sack:
            stamp |= SACK_BIT
        if ecn:
            stamp |= ECN_BIT
        if <int32_t> (stamp - clock) > 0:
            # the connection's own timestamps must not run behind this one
            stamp -= TIMESTAMP_BITS + 1
        out.options_length += put_timestamps(out.options + out.options_length, stamp, seg.tsval)
    sign_control(transport, seg, out)
    roll_parts(listener, now)
    listener.flood.sent[listener.flood.part % (FLOOD_PARTS + 1)] += 1
    listener.flood.last_cookie = now
    transport.counters.SyncookiesSent += 1


cdef bint is_cookie_due(const listener_t* listener, int64_t now) noexcept nogil:
    return listener.flood.on or (listener.flood.since
                                 and now - listener.flood.last_cookie < PERIODS_VALID * <int64_t> PERIOD)


cdef int cookie_mss(transport_t* transport, const segment_t* seg, int64_t now) noexcept nogil:
    """The index of the MSS in a valid cookie, else -1. Those of this period and the previous two are valid."""
    cdef uint32_t cookie = seg.ack - 1
    cdef uint32_t index = (cookie >> 24) & 7
    cdef int64_t period = now // PERIOD
    cdef int age
    for age in range(PERIODS_VALID):
        if period >= age and <uint32_t> ((period - age) & 31) == cookie >> 27:
            if make_cookie(transport, seg, seg.seq - 1, period - age, index) == cookie:
                return <int> index
            return -1
    return -1


cdef tcb_t* take_cookie(listener_t* listener, const segment_t* seg, int64_t now) noexcept nogil:
    cdef transport_t* transport = listener.transport
    cdef segment_t syn
    cdef tcb_t* tcb
    cdef uint32_t window
    cdef int index = cookie_mss(transport, seg, now)
    if index < 0:
        transport.counters.SyncookiesFailed += 1
        return NULL
    transport.counters.SyncookiesRecv += 1
    roll_parts(listener, now)
    listener.flood.validated[listener.flood.part % (FLOOD_PARTS + 1)] += 1
    tcb = give_birth(transport, &seg.destination, seg.destination_port, &seg.source, seg.source_port, seg, now)
    if tcb == NULL:
        return NULL
    # the SYN as far as the cookie and the echoed timestamp remember it
    memset(&syn, 0, sizeof(syn))
    syn.has_mss = True
    syn.mss = MSS_TABLE[index]
    syn.has_timestamps = seg.has_timestamps
    syn.tsval = seg.tsval
    syn.window_scale = <uint8_t> (seg.tsecr & 15)
    syn.has_window_scale = seg.has_timestamps and syn.window_scale != NO_SCALE
    syn.sack_permitted = seg.has_timestamps and seg.tsecr & SACK_BIT != 0
    syn.flags = SYN | ECE | CWR if seg.has_timestamps and seg.tsecr & ECN_BIT else SYN
    change_state(tcb, LISTEN)
    change_state(tcb, SYN_RECEIVED)
    tcb.passive = True
    tcb.iss = tcb.snd_una = tcb.recover = seg.ack - 1
    tcb.snd_nxt = seg.ack
    tcb.irs = seg.seq - 1
    tcb.rcv_nxt = tcb.last_ack_sent = seg.seq
    restart_extensions(tcb)
    window = tcb.receive_limit if tcb.receive_limit < 65535 else 65535
    tcb.rcv_adv = tcb.rcv_nxt + window
    take_syn_options(tcb, &syn, now)
    tcb.span.syn_rto = transport.tunables.rto_initial
    tcb.snd_wl1 = tcb.irs
    tcb.snd_wl2 = tcb.iss
    return tcb
