"""The head of a segment: addresses, window, SACK blocks, timestamps, the urgent pointer, options that go once."""

from libc.stdint cimport int64_t, uint32_t
from netcore.tcp.ecn cimport flags_of_echo
from netcore.tcp.options cimport TIMESTAMPS_LENGTH
from netcore.tcp.reporting cimport report_received
from netcore.tcp.seqnum cimport seq_gt
from netcore.tcp.signature cimport options_room
from netcore.tcp.tcb cimport TIMER_DELAYED_ACK, TIMESTAMP_TICK, cancel, segment_out_t, tcb_t, timestamp_now
from netcore.tcp.user_timeout cimport encode_timeout
from netcore.tcp.window cimport announce_window
from netcore.wire.ipv4 cimport NOT_ECT
from netcore.wire.octets cimport load32, store32
from netcore.wire.tcp cimport ACK, URG, USER_TIMEOUT_LENGTH, put_timestamps, put_user_timeout


cdef void address_segment(tcb_t* tcb, segment_out_t* out, uint32_t seq) noexcept nogil:
    out.local = tcb.entry.local
    out.remote = tcb.entry.remote
    out.local_port = tcb.entry.local_port
    out.remote_port = tcb.entry.remote_port
    out.seq = seq
    out.ack = 0
    out.flags = 0
    out.options_length = 0
    out.queue = NULL
    out.offset = 0
    out.text_length = 0
    out.up = 0
    out.mss = tcb.eff_mss
    out.ecn = NOT_ECT
    out.is_last = False
    out.may_fragment = tcb.path != NULL and tcb.path.may_fragment


cdef void date_segment(segment_out_t* out, int64_t now) noexcept nogil:
    store32(out.options + 4, load32(out.options + 4) + <uint32_t> (now // TIMESTAMP_TICK))


cdef void point_to_urgent(tcb_t* tcb, segment_out_t* out) noexcept nogil:
    """Every segment before the urgent byte's end tells of it (RFC 9293 3.8.5), as far as the field reaches."""
    cdef uint32_t ahead = tcb.extras.snd_up - out.seq
    if not seq_gt(tcb.extras.snd_up, tcb.snd_una):
        tcb.extras.urgent_sending = False
        return
    if not seq_gt(tcb.extras.snd_up, out.seq):
        return
    out.flags |= URG
    ahead -= tcb.extras.urgent_1122
    out.up = <unsigned short> (ahead if ahead < 65535 else 65535)


cdef void add_extras(tcb_t* tcb, segment_out_t* out) noexcept nogil:
    """RFC 5482 3.1: the option goes with the first segment that has room for it."""
    cdef uint32_t whole = tcb.eff_mss + (TIMESTAMPS_LENGTH if tcb.timestamps else 0)
    if tcb.extras.urgent_sending:
        point_to_urgent(tcb, out)
    if (tcb.extras.option_wanted and options_room(tcb, out) >= USER_TIMEOUT_LENGTH
            and (out.text_length == 0 or out.text_length + out.options_length + USER_TIMEOUT_LENGTH <= whole)):
        tcb.extras.option_wanted = False
        out.options_length += put_user_timeout(out.options + out.options_length,
                                               encode_timeout(tcb.extras.advertised_timeout))


cdef void acknowledge(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    out.ack = tcb.rcv_nxt
    out.flags |= ACK
    out.flags |= flags_of_echo(tcb)
    announce_window(tcb, out)
    if tcb.timestamps:
        out.options_length = put_timestamps(out.options, timestamp_now(tcb, now), tcb.ts_recent)
    tcb.last_ack_sent = tcb.rcv_nxt
    # what the blocks of this ACK cannot say yet is said by a further one
    tcb.ack_wanted = (tcb.reassembly != NULL or tcb.twice_count) and tcb.sack and not report_received(tcb, out)
    if tcb.extras != NULL:
        add_extras(tcb, out)
    cancel(tcb, TIMER_DELAYED_ACK)
