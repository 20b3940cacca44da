"""NewReno (RFC 6582 3.2) for peers without SACK."""

from libc.stdint cimport int64_t, uint32_t
from netcore.tcp.recovery cimport DUPLICATES_FOR_LOSS
from netcore.tcp.seqnum cimport seq_geq, seq_gt, seq_lt
from netcore.tcp.tcb cimport flight_size, tcb_t, want_output


cdef void duplicate_ack(tcb_t* tcb, int64_t now) noexcept nogil:
    if tcb.dupacks < 0xffff:
        tcb.dupacks += 1
    if tcb.in_recovery:
        # each duplicate says that one more segment has left the network
        tcb.cwnd += tcb.eff_mss
    elif tcb.dupacks == DUPLICATES_FOR_LOSS and seq_gt(tcb.snd_una, tcb.recover):
        # RFC 6582 3.2 step 2: not again for losses of the window before `recover`
        tcb.congestion.on_loss(tcb, now)
        tcb.recover = tcb.snd_nxt
        tcb.in_recovery = True
        tcb.cwnd = tcb.ssthresh + DUPLICATES_FOR_LOSS * tcb.eff_mss
        tcb.head_wanted = True
        tcb.timed_at = 0
        tcb.transport.counters.TCPFastRetrans += 1
    want_output(tcb)


cdef void new_ack(tcb_t* tcb, uint32_t acked, int64_t now) noexcept nogil:
    cdef uint32_t flight
    tcb.dupacks = 0
    if not tcb.in_recovery:
        if seq_gt(tcb.snd_una, tcb.recover):
            # `recover` is drawn along, or it would compare as ahead again after 2 GiB
            tcb.recover = tcb.snd_una - 1
        tcb.congestion.on_ack(tcb, acked, now)
        return
    if seq_geq(tcb.snd_una, tcb.recover):
        # full acknowledgement; step 3 option 1 avoids a burst
        flight = flight_size(tcb)
        if flight < tcb.eff_mss:
            flight = tcb.eff_mss
        tcb.cwnd = tcb.ssthresh if tcb.ssthresh < flight + tcb.eff_mss else flight + tcb.eff_mss
        tcb.in_recovery = False
        return
    # partial acknowledgement: the next hole is at snd_una
    tcb.head_wanted = True
    tcb.cwnd = tcb.cwnd - acked if tcb.cwnd > acked + tcb.eff_mss else tcb.eff_mss
    if acked >= tcb.eff_mss:
        tcb.cwnd += tcb.eff_mss


cdef void retransmission_timeout(tcb_t* tcb, int64_t now) noexcept nogil:
    tcb.congestion.on_timeout(tcb, now)
    tcb.in_recovery = False
    tcb.dupacks = 0
    tcb.recover = tcb.snd_nxt
    tcb.snd_rxt = tcb.snd_una
    tcb.timed_at = 0
    want_output(tcb)


cdef uint32_t allowed_flight(const tcb_t* tcb) noexcept nogil:
    if tcb.in_recovery or tcb.dupacks == 0 or seq_lt(tcb.snd_rxt, tcb.snd_nxt):
        return tcb.cwnd
    return tcb.cwnd + (tcb.dupacks if tcb.dupacks < DUPLICATES_FOR_LOSS else DUPLICATES_FOR_LOSS - 1) * tcb.eff_mss
