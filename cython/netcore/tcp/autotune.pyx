"""Dynamic right-sizing of the receive buffer (Fisk and Feng, 2001), and the send buffer that follows cwnd; TCPX-2."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.tcp.seqnum cimport seq_geq
from netcore.tcp.tcb cimport READY_WRITABLE, notify, receive_window, tcb_t, time_since_echo, transport_t
from netcore.wire.tcp cimport segment_t

cdef enum:
    # ns; the clock of timestamps is no finer, and shorter delays of either program shall not count as the path's
    SHORTEST_ROUND = 1000000
    # segments for which there is room beyond what arrives in a round trip
    SPARE_SEGMENTS = 16
    # ns. Where a round trip is shorter, all that is under way stands in the queue of the device before us, and one of a
    # kernel takes 1,000 frames (txqueuelen) that no superframe makes large: what does not fit into it is lost
    QUEUE_TRIP = 4000000
    QUEUE_SEGMENTS = 720
    # bytes, what a kernel buffers for one sender (tcp_wmem). A peer on this very machine goes no faster for more: what
    # waits before us only falls out of the caches. With less it is our ACK that lets it send, in our time, in place of
    # its program's next write
    NEAR_WINDOW = 4194304
    # bytes. One whose programs write less than a superframe at a time is better held back: it gathers what waits, and
    # would else make a frame of each write
    HOLDING_WINDOW = 1048576
    # so many such frames, less one for each other, and it is held back for good
    MOST_LITTLE_FRAMES = 64
    # bytes. A round that brought less counts nothing: the frames of requests are small by nature
    DENSE_ROUND = 65536
    # bytes of text, what a kernel puts into a superframe at most
    FULL_FRAME = 65160
    # parts of the memory limit
    PARTS_OF_A_BUFFER = 8
    PARTS_FOR_GROWTH = 2


cdef uint32_t most_allowed(const transport_t* transport, uint64_t wanted, int64_t maximum) noexcept nogil:
    """`wanted` within the bounds of a connection and of the stack; 0: nothing may grow now."""
    cdef int64_t limit = transport.tunables.memory_limit
    if transport.pool.in_use > limit // PARTS_FOR_GROWTH:
        return 0
    if maximum > limit // PARTS_OF_A_BUFFER:
        maximum = limit // PARTS_OF_A_BUFFER
    return <uint32_t> (wanted if wanted < <uint64_t> maximum else <uint64_t> maximum)


cdef uint32_t near_window(const tcb_t* tcb) noexcept nogil:
    """The largest window of a peer on this machine. What every connection begins with is never taken from one."""
    cdef int64_t first = tcb.transport.tunables.receive_buffer
    if tcb.little_frames < MOST_LITTLE_FRAMES:
        return NEAR_WINDOW
    return <uint32_t> (HOLDING_WINDOW if first < HOLDING_WINDOW else first)


cdef void note_trip(tcb_t* tcb, int64_t sample) noexcept nogil:
    """Down at once, since any delay in a sample only adds to the path's; up slowly, should the path have changed."""
    if tcb.receive_trip == 0 or sample < tcb.receive_trip:
        tcb.receive_trip = sample
    else:
        tcb.receive_trip += (sample - tcb.receive_trip) // 8


cdef void measure_trip(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil:
    """The round trip as the receiver sees it: by the first full segment that echoes a timestamp of ours.

    Without timestamps: the time in which as much came as was announced when it began, which is at least that.
    """
    cdef int64_t sample
    if tcb.timestamps:
        if seg.tsecr != tcb.trip_mark and seg.tsecr and seg.text_length >= tcb.rcv_mss:
            tcb.trip_mark = seg.tsecr
            sample = time_since_echo(tcb, seg.tsecr, now)
            if sample >= 0:
                note_trip(tcb, sample)
        return
    if tcb.trip_since and not seq_geq(tcb.rcv_nxt, tcb.trip_mark):
        return
    if tcb.trip_since and (tcb.receive_trip == 0 or now - tcb.trip_since < tcb.receive_trip):
        tcb.receive_trip = now - tcb.trip_since
    tcb.trip_since = now
    tcb.trip_mark = tcb.rcv_nxt + receive_window(tcb)


cdef void grow_receive(tcb_t* tcb, uint32_t taken, int64_t trip) noexcept nogil:
    cdef int64_t most = tcb.transport.tunables.receive_buffer_maximum
    cdef uint64_t wanted, further
    cdef uint32_t size
    if taken <= tcb.taken_most:
        return
    wanted = 2 * <uint64_t> taken + SPARE_SEGMENTS * tcb.rcv_mss
    if tcb.taken_most:
        further = wanted * (taken - tcb.taken_most) // tcb.taken_most
        wanted += further if further < wanted else wanted
    tcb.taken_most = taken
    if tcb.transport.superframe == 0:
        if trip < QUEUE_TRIP and most > QUEUE_SEGMENTS * <int64_t> tcb.rcv_mss:
            most = QUEUE_SEGMENTS * <int64_t> tcb.rcv_mss
    elif tcb.is_near and most > near_window(tcb):
        most = near_window(tcb)
    size = most_allowed(tcb.transport, wanted, most)
    if size > tcb.receive_limit:
        tcb.receive_limit = size


cdef void hold_back(tcb_t* tcb, uint32_t text_length) noexcept nogil:
    """A near peer that puts each of its program's small writes into a frame is made to gather them."""
    cdef uint32_t full
    if not tcb.is_near or tcb.transport.superframe == 0 or tcb.little_frames == MOST_LITTLE_FRAMES:
        return
    if receive_window(tcb) < HOLDING_WINDOW:
        # no more may have fitted
        return
    full = FULL_FRAME - FULL_FRAME % tcb.rcv_mss
    if 4 * text_length >= 3 * full:
        tcb.little_frames -= tcb.little_frames > 0
        return
    tcb.little_frames += 1
    if tcb.little_frames == MOST_LITTLE_FRAMES:
        tcb.receive_limit = near_window(tcb)


cdef void tune_receive(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil:
    cdef uint32_t first = tcb.rcv_nxt - <uint32_t> tcb.receive_queue.length
    cdef uint32_t taken = first - tcb.round_first
    cdef int64_t trip
    if tcb.receive_fixed:
        return
    measure_trip(tcb, seg, now)
    hold_back(tcb, seg.text_length)
    # until data has told, the handshake has
    trip = tcb.receive_trip if tcb.receive_trip else tcb.rtt.srtt
    if trip < SHORTEST_ROUND:
        trip = SHORTEST_ROUND
    if tcb.since.round == 0:
        tcb.round_first = tcb.irs + 1
    elif now - tcb.since.round < trip:
        return
    else:
        grow_receive(tcb, taken, trip)
        if taken < DENSE_ROUND and tcb.little_frames < MOST_LITTLE_FRAMES:
            tcb.little_frames = 0
        tcb.round_first = first
    tcb.since.round = now


cdef void tune_send(tcb_t* tcb) noexcept nogil:
    cdef uint64_t wanted = 2 * <uint64_t> tcb.cwnd
    cdef uint32_t before = tcb.send_limit
    cdef uint32_t size
    if tcb.send_fixed or wanted <= before:
        return
    size = most_allowed(tcb.transport, wanted, tcb.transport.tunables.send_buffer_maximum)
    if size <= before:
        return
    tcb.send_limit = size
    if before <= tcb.send_queue.length < size:
        notify(tcb.transport, &tcb.endpoint, READY_WRITABLE)


cdef void fix_send_buffer(tcb_t* tcb, uint32_t size) noexcept nogil:
    tcb.send_limit = size
    tcb.send_fixed = True


cdef void fix_receive_buffer(tcb_t* tcb, uint32_t size) noexcept nogil:
    # OPT-22: a buffer of nothing would stop every transfer, and so would one below the unit that windows are told in
    cdef uint32_t least = <uint32_t> 1 << tcb.rcv_wind_shift
    if least < tcb.transport.local_mss:
        least = tcb.transport.local_mss
    tcb.receive_limit = size if size > least else least
    tcb.receive_fixed = True


cdef int64_t largest_window(const tcb_t* tcb) noexcept nogil:
    cdef int64_t maximum = tcb.transport.tunables.receive_buffer_maximum
    return maximum if not tcb.receive_fixed and maximum > tcb.receive_limit else tcb.receive_limit
