"""What is worth a line in a picture of a connection."""

from libc.stdint cimport int64_t
from netcore.posix cimport memcmp, realloc
from netcore.tcp.table cimport find_entry
from netcore.tcp.tcb cimport ENTRY_CONNECTION, entry_t, flight_size, receive_window, tcb_t


cdef void fill(sample_t* sample, const tcb_t* tcb) noexcept nogil:
    sample.state = tcb.state
    sample.snd_una = tcb.snd_una - tcb.iss
    sample.snd_nxt = tcb.snd_nxt - tcb.iss
    sample.snd_wnd = tcb.snd_wnd
    sample.rcv_nxt = tcb.rcv_nxt - tcb.irs
    sample.rcv_wnd = receive_window(tcb)
    sample.cwnd = tcb.cwnd
    sample.ssthresh = tcb.ssthresh
    sample.flight = flight_size(tcb)
    sample.in_flight = tcb.in_flight
    sample.sacked = tcb.sacked
    sample.queued = <int64_t> tcb.send_queue.length
    sample.unread = <int64_t> tcb.receive_queue.length
    sample.srtt = tcb.rtt.srtt
    sample.rttvar = tcb.rtt.rttvar
    sample.rto = tcb.rtt.rto
    sample.min_rtt = tcb.min_rtt
    sample.backoff = tcb.backoff
    sample.phase = tcb.phase
    sample.delivered = <int64_t> tcb.delivered
    sample.lost = <int64_t> tcb.lost
    sample.pacing_rate = <int64_t> tcb.pacing_rate
    sample.retransmits = <int64_t> tcb.transport.counters.RetransSegs
    sample.timeouts = <int64_t> tcb.transport.counters.TCPTimeouts


cdef void take_sample(samples_t* samples, int64_t now) noexcept nogil:
    # by its names: the connection may have ended, and another one may be where it was
    cdef entry_t* entry = find_entry(&samples.host.transport, &samples.local, samples.local_port, &samples.remote,
                                     samples.remote_port)
    cdef sample_t sample
    cdef sample_t* items
    cdef unsigned int capacity
    if entry == NULL or entry.kind != ENTRY_CONNECTION:
        return
    sample.time = samples.last.time
    fill(&sample, <const tcb_t*> entry)
    if memcmp(&sample, &samples.last, sizeof(sample_t)) == 0:
        return
    sample.time = now
    samples.last = sample
    if samples.count == samples.capacity:
        if samples.capacity == samples.limit:
            samples.dropped += 1
            return
        capacity = samples.capacity * 2 if samples.capacity else 1024
        if capacity > samples.limit:
            capacity = samples.limit
        items = <sample_t*> realloc(samples.items, capacity * sizeof(sample_t))
        if items == NULL:
            samples.dropped += 1
            return
        samples.items = items
        samples.capacity = capacity
    samples.items[samples.count] = sample
    samples.count += 1
