"""samples_t: the variables of one connection over time, for pictures."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from netcore.host cimport host_t
from netcore.wire.address cimport address_t

# All of one type. A new field needs a line here and one in take_sample; Python finds it by itself.
cdef struct sample_t:
    int64_t time
    int64_t state
    # sequence numbers less iss, those of the peer less irs
    int64_t snd_una
    int64_t snd_nxt
    int64_t snd_wnd
    int64_t rcv_nxt
    int64_t rcv_wnd
    int64_t cwnd
    int64_t ssthresh
    # sequence space not acknowledged, and of it what is thought to be on the way (RFC 6675's pipe) and what is SACKed
    int64_t flight
    int64_t in_flight
    int64_t sacked
    # bytes in the send queue and in the receive queue
    int64_t queued
    int64_t unread
    # ns
    int64_t srtt
    int64_t rttvar
    int64_t rto
    int64_t min_rtt
    int64_t backoff
    # tcp.tcb.Phase: 0 open, 1 reducing, 2 recovery, 3 loss
    int64_t phase
    # bytes delivered, and found lost, in all
    int64_t delivered
    int64_t lost
    # bytes per second, 0: not paced
    int64_t pacing_rate
    # counters of the host
    int64_t retransmits
    int64_t timeouts

cdef struct samples_t:
    samples_t* next
    host_t* host
    address_t local
    address_t remote
    uint16_t local_port
    uint16_t remote_port
    sample_t last
    sample_t* items
    uint32_t count
    uint32_t capacity
    uint32_t limit
    uint64_t dropped

# With the host locked: one sample more if anything has changed since the last one.
cdef void take_sample(samples_t* samples, int64_t now) noexcept nogil
