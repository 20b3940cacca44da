"""The model and the states of draft-cardwell-iccrg-bbr-congestion-control-00, section 4; gains are in parts of 256."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.posix cimport memset
from netcore.storage.random cimport random_below
from netcore.tcp.congestion.windowed_maximum cimport maximum_t, put_value
from netcore.tcp.congestion.windows cimport WINDOW_LIMIT, initial_window, start_window
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.tcb cimport PHASE_OPEN, PHASE_RECOVERY, PHASE_REDUCING, congestion_t, tcb_t

cdef enum Mode:
    STARTUP = 0
    DRAIN = 1
    PROBE_BW = 2
    PROBE_RTT = 3

cdef enum:
    UNIT = 256
    # 2 / ln 2 and its inverse (4.3.2.1, 4.3.3)
    HIGH_GAIN = 739
    DRAIN_GAIN = 88
    WINDOW_GAIN = 512
    CYCLE_LENGTH = 8
    # rounds over which the largest delivery rate counts
    BANDWIDTH_ROUNDS = 10
    # the pipe is full when this many rounds have not brought a quarter more (4.3.2.2)
    FULL_ROUNDS = 3
    # least window, in segments
    LEAST_SEGMENTS = 4
    # lumps of ACKs are remembered for one to two times this many rounds, and count for at most 100 ms
    LUMP_ROUNDS = 5
    LUMP_PARTS = 10
    MILLISECOND = 1_000_000
    # how long the window is small in PROBE_RTT, ns
    PROBE_RTT_TIME = 200 * MILLISECOND

# how long the least round trip counts, ns; and what the arithmetic has room for: a round trip, ns, and a rate, bytes/s
cdef int64_t LEAST_RTT_TIME = 10_000_000_000
cdef int64_t RTT_LIMIT = 8_000_000_000
cdef uint64_t RATE_LIMIT = 1ULL << 36

cdef enum Flag:
    PIPE_FILLED = 1
    # sending began again after the application had nothing to send
    IDLE_RESTART = 2
    # packet conservation
    CONSERVING = 4
    # recovery (or the answer to ECN) was seen to go on at the last ACK
    RECOVERING = 8
    # a round has passed since the window became small
    ROUND_DONE = 16
    # a round trip has been measured
    RTT_KNOWN = 32

cdef struct bbr_t:
    maximum_t bandwidth
    uint32_t round
    uint32_t prior_cwnd
    # least round trip, when it was measured; when PROBE_RTT may end, 0: not yet small; ns
    int64_t least_rtt
    int64_t least_rtt_at
    int64_t probe_rtt_ends
    int64_t cycle_began
    # bandwidth when it last grew by a quarter
    uint64_t full_bandwidth
    # ACKs in lumps: bytes beyond what the bandwidth explains, in this and the last LUMP_ROUNDS rounds; the lump's
    # begin and bytes
    int64_t lump_began
    uint32_t lump
    uint32_t lumps[2]
    uint8_t mode
    uint8_t cycle
    uint8_t full_rounds
    uint8_t flags

cdef congestion_t TABLE


cdef bbr_t* state_of(tcb_t* tcb) noexcept nogil:
    return <bbr_t*> tcb.congestion_state


cdef bint has(const bbr_t* state, Flag flag) noexcept nogil:
    return state.flags & <int> flag != 0


cdef void put(bbr_t* state, Flag flag, bint value) noexcept nogil:
    if value:
        state.flags |= <uint8_t> flag
    else:
        state.flags &= <uint8_t> ~<int> flag


# ---- what the model gives


cdef int pacing_gain(const bbr_t* state) noexcept nogil:
    if state.mode == STARTUP:
        return HIGH_GAIN
    if state.mode == DRAIN:
        return DRAIN_GAIN
    if state.mode == PROBE_BW and state.cycle < 2:
        return 5 * UNIT // 4 if state.cycle == 0 else 3 * UNIT // 4
    return UNIT


cdef int window_gain(const bbr_t* state) noexcept nogil:
    if state.mode == STARTUP or state.mode == DRAIN:
        return HIGH_GAIN
    return WINDOW_GAIN if state.mode == PROBE_BW else UNIT


cdef uint32_t limited(uint64_t window) noexcept nogil:
    return <uint32_t> window if window < WINDOW_LIMIT else WINDOW_LIMIT


cdef uint64_t bytes_in(uint64_t rate, int64_t duration) noexcept nogil:
    """Bytes at a rate (per second) in a time of at most 8 s: steps of 64 ns, or rate * time would overflow."""
    return rate * <uint64_t> (duration // 64) // 15_625_000


cdef uint32_t quantum(const tcb_t* tcb) noexcept nogil:
    """What goes at once (4.2.2): a millisecond's worth, of one or two segments to a superframe."""
    cdef uint64_t size = tcb.pacing_rate // 1000
    cdef uint64_t least = tcb.eff_mss if tcb.pacing_rate < 150_000 else 2 * <uint32_t> tcb.eff_mss
    if size > tcb.transport.superframe:
        size = tcb.transport.superframe
    return <uint32_t> (size if size > least else least)


cdef uint32_t flight_for(tcb_t* tcb, const bbr_t* state, int gain) noexcept nogil:
    """BBRInflight: the bandwidth-delay product times a gain, and what is under way to be sent and acknowledged."""
    cdef uint64_t window
    if not has(state, RTT_KNOWN) or state.bandwidth.value[0] == 0:
        return initial_window(tcb)
    window = bytes_in(state.bandwidth.value[0], state.least_rtt) * gain // UNIT + 3 * quantum(tcb)
    if state.mode == PROBE_BW and state.cycle == 0:
        # a quarter more must be more than rounding takes away
        window += 2 * tcb.eff_mss
    return limited(window)


cdef void set_pace(tcb_t* tcb, bbr_t* state, int gain) noexcept nogil:
    """4.2.1; one per cent less than the model says, for a queue that drains rather than grows."""
    cdef uint64_t rate = state.bandwidth.value[0] * gain // UNIT * 99 // 100
    if rate and (has(state, PIPE_FILLED) or rate > tcb.pacing_rate):
        tcb.pacing_rate = rate


cdef void set_first_pace(tcb_t* tcb, bbr_t* state) noexcept nogil:
    """A window in a round trip, 1 ms while none is known."""
    cdef int64_t rtt = tcb.rtt.srtt if tcb.rtt.srtt else MILLISECOND
    put(state, RTT_KNOWN, tcb.rtt.srtt != 0)
    tcb.pacing_rate = <uint64_t> tcb.cwnd * 1_000_000_000 // rtt * HIGH_GAIN // UNIT


# ---- the states


cdef void enter_probe_bw(tcb_t* tcb, bbr_t* state, int64_t now) noexcept nogil:
    """At a random phase of the cycle but that which gives way (4.3.4.3), so that flows do not probe in step."""
    cdef uint32_t choice = random_below(&tcb.transport.random, CYCLE_LENGTH - 1)
    state.mode = PROBE_BW
    state.cycle = <uint8_t> (choice + 1 if choice else 0)
    state.cycle_began = now


cdef void move_cycle(tcb_t* tcb, bbr_t* state, const ack_sample_t* sample, int64_t now) noexcept nogil:
    """4.3.4.3"""
    cdef int gain = pacing_gain(state)
    cdef bint over = now - state.cycle_began > state.least_rtt
    if state.mode != PROBE_BW:
        return
    if gain > UNIT:
        # until the flight is what the gain asks for, or something is lost for it
        over = over and (sample.lost or sample.prior_in_flight >= flight_for(tcb, state, gain))
    elif gain < UNIT:
        over = over or tcb.in_flight <= flight_for(tcb, state, UNIT)
    if over:
        state.cycle = (state.cycle + 1) % CYCLE_LENGTH
        state.cycle_began = now


cdef void check_full_pipe(bbr_t* state, const ack_sample_t* sample) noexcept nogil:
    """4.3.2.2"""
    if has(state, PIPE_FILLED) or not sample.round_start or sample.app_limited:
        return
    if state.bandwidth.value[0] >= state.full_bandwidth + state.full_bandwidth // 4:
        state.full_bandwidth = state.bandwidth.value[0]
        state.full_rounds = 0
        return
    state.full_rounds += 1
    put(state, PIPE_FILLED, state.full_rounds >= FULL_ROUNDS)


cdef void check_drain(tcb_t* tcb, bbr_t* state, int64_t now) noexcept nogil:
    """4.3.3"""
    if state.mode == STARTUP and has(state, PIPE_FILLED):
        state.mode = DRAIN
        tcb.ssthresh = flight_for(tcb, state, UNIT)
    if state.mode == DRAIN and tcb.in_flight <= flight_for(tcb, state, UNIT):
        enter_probe_bw(tcb, state, now)


cdef void save_window(tcb_t* tcb, bbr_t* state) noexcept nogil:
    if has(state, RECOVERING) or state.mode == PROBE_RTT:
        # it is small already for another reason
        state.prior_cwnd = tcb.cwnd if tcb.cwnd > state.prior_cwnd else state.prior_cwnd
    else:
        state.prior_cwnd = tcb.cwnd


cdef void restore_window(tcb_t* tcb, bbr_t* state) noexcept nogil:
    if tcb.cwnd < state.prior_cwnd:
        tcb.cwnd = state.prior_cwnd


cdef void leave_probe_rtt(tcb_t* tcb, bbr_t* state, int64_t now) noexcept nogil:
    if state.probe_rtt_ends == 0 or now <= state.probe_rtt_ends:
        return
    state.least_rtt_at = now
    restore_window(tcb, state)
    if has(state, PIPE_FILLED):
        enter_probe_bw(tcb, state, now)
    else:
        state.mode = STARTUP


cdef void keep_pipe_empty(tcb_t* tcb, bbr_t* state, const ack_sample_t* sample, int64_t now) noexcept nogil:
    """4.3.5: 200 ms and a round trip with a flight of four segments; its rates tell nothing."""
    tcb.app_limited = tcb.delivered + tcb.in_flight if tcb.delivered + tcb.in_flight else 1
    if state.probe_rtt_ends == 0:
        if tcb.in_flight <= LEAST_SEGMENTS * <uint32_t> tcb.eff_mss:
            state.probe_rtt_ends = now + PROBE_RTT_TIME
            put(state, ROUND_DONE, False)
            tcb.round_delivered = tcb.delivered
        return
    if sample.round_start:
        put(state, ROUND_DONE, True)
    if has(state, ROUND_DONE):
        leave_probe_rtt(tcb, state, now)


cdef void probe_rtt(tcb_t* tcb, bbr_t* state, const ack_sample_t* sample, int64_t now) noexcept nogil:
    """4.1.2.3 and 4.3.5: the least round trip, and PROBE_RTT when it is too old."""
    cdef bint expired = now > state.least_rtt_at + LEAST_RTT_TIME
    if sample.rtt > 0 and (expired or not state.least_rtt or sample.rtt <= state.least_rtt):
        state.least_rtt = sample.rtt if sample.rtt < RTT_LIMIT else RTT_LIMIT
        state.least_rtt_at = now
    if expired and not has(state, IDLE_RESTART) and state.mode != PROBE_RTT:
        save_window(tcb, state)
        state.mode = PROBE_RTT
        state.probe_rtt_ends = 0
    if state.mode == PROBE_RTT:
        keep_pipe_empty(tcb, state, sample, now)
    put(state, IDLE_RESTART, False)


# ---- the model


cdef void measure_bandwidth(bbr_t* state, const ack_sample_t* sample) noexcept nogil:
    """4.1.1; a sample that the application limited counts only if it is larger."""
    cdef uint64_t rate
    if sample.round_start:
        state.round += 1
        put(state, CONSERVING, False)
    if sample.interval <= 0:
        return
    # no flight is so large; the product shall not overflow whatever a sample says
    rate = (sample.rate_delivered if sample.rate_delivered < 1ULL << 34 else 1ULL << 34) * 1_000_000_000
    rate //= <uint64_t> sample.interval
    if rate > RATE_LIMIT:
        rate = RATE_LIMIT
    if not sample.app_limited or rate >= state.bandwidth.value[0]:
        put_value(&state.bandwidth, BANDWIDTH_ROUNDS, rate, state.round)


cdef void measure_lumps(tcb_t* tcb, bbr_t* state, const ack_sample_t* sample, int64_t now) noexcept nogil:
    """How many bytes more than the bandwidth explains are acknowledged at once."""
    cdef int present = state.round // LUMP_ROUNDS % 2
    cdef int64_t elapsed = now - state.lump_began
    cdef uint64_t expected
    if sample.round_start and state.round % LUMP_ROUNDS == 0:
        state.lumps[present] = 0
    if sample.interval <= 0 or sample.delivered == 0:
        return
    expected = bytes_in(state.bandwidth.value[0], elapsed if elapsed < 1000 * MILLISECOND else 1000 * MILLISECOND)
    if state.lump <= expected or state.lump >= WINDOW_LIMIT:
        state.lump = 0
        state.lump_began = now
        expected = 0
    state.lump += sample.delivered
    expected = state.lump - expected
    if expected > tcb.cwnd:
        expected = tcb.cwnd
    if expected > state.lumps[present]:
        state.lumps[present] = <uint32_t> expected


cdef uint32_t lump_allowance(const bbr_t* state) noexcept nogil:
    cdef uint64_t most = state.bandwidth.value[0] // LUMP_PARTS
    cdef uint32_t lump = state.lumps[0] if state.lumps[0] > state.lumps[1] else state.lumps[1]
    if not has(state, PIPE_FILLED):
        return 0
    return lump if lump < most else <uint32_t> most


# ---- the window


cdef bint set_recovery_window(tcb_t* tcb, bbr_t* state, const ack_sample_t* sample) noexcept nogil:
    """4.2.3.4; True: packet conservation has set cwnd."""
    cdef bint recovering = tcb.phase == PHASE_RECOVERY or tcb.phase == PHASE_REDUCING
    cdef uint32_t conserved = limited(<uint64_t> tcb.in_flight + (
        sample.delivered if sample.delivered > tcb.eff_mss else tcb.eff_mss))
    if sample.lost:
        tcb.cwnd = tcb.cwnd - sample.lost if tcb.cwnd > sample.lost + tcb.eff_mss else tcb.eff_mss
    if recovering and not has(state, RECOVERING):
        put(state, CONSERVING, True)
        tcb.round_delivered = tcb.delivered
        tcb.cwnd = conserved
    elif tcb.phase == PHASE_OPEN and has(state, RECOVERING):
        put(state, CONSERVING, False)
        restore_window(tcb, state)
    put(state, RECOVERING, tcb.phase != PHASE_OPEN)
    if not has(state, CONSERVING):
        return False
    if tcb.cwnd < conserved:
        tcb.cwnd = conserved
    return True


cdef void set_window(tcb_t* tcb, bbr_t* state, const ack_sample_t* sample) noexcept nogil:
    """4.2.3"""
    cdef uint32_t least = LEAST_SEGMENTS * <uint32_t> tcb.eff_mss
    cdef uint32_t target
    if not set_recovery_window(tcb, state, sample):
        target = limited(<uint64_t> flight_for(tcb, state, window_gain(state)) + lump_allowance(state))
        if has(state, PIPE_FILLED):
            tcb.cwnd = tcb.cwnd + sample.delivered if tcb.cwnd + sample.delivered < target else target
        elif tcb.cwnd < target or tcb.delivered < initial_window(tcb):
            tcb.cwnd = limited(<uint64_t> tcb.cwnd + sample.delivered)
        if tcb.cwnd < least:
            tcb.cwnd = least
    if state.mode == PROBE_RTT and tcb.cwnd > least:
        tcb.cwnd = least


# ---- the table


cdef void begin(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef bbr_t* state = state_of(tcb)
    memset(state, 0, sizeof(bbr_t))
    start_window(tcb)
    state.mode = STARTUP
    state.least_rtt = tcb.rtt.srtt if tcb.rtt.srtt < RTT_LIMIT else RTT_LIMIT
    state.least_rtt_at = state.lump_began = now
    set_first_pace(tcb, state)


cdef void on_ack(tcb_t* tcb, const ack_sample_t* sample, int64_t now) noexcept nogil:
    cdef bbr_t* state = state_of(tcb)
    measure_bandwidth(state, sample)
    measure_lumps(tcb, state, sample, now)
    move_cycle(tcb, state, sample, now)
    check_full_pipe(state, sample)
    check_drain(tcb, state, now)
    probe_rtt(tcb, state, sample, now)
    if not has(state, RTT_KNOWN) and tcb.rtt.srtt:
        set_first_pace(tcb, state)
    set_pace(tcb, state, pacing_gain(state))
    set_window(tcb, state, sample)


cdef void on_loss(tcb_t* tcb, int64_t now) noexcept nogil:
    """Only remembers the window: what recovery does to it waits for the ACK's sample (set_recovery_window)."""
    save_window(tcb, state_of(tcb))


cdef void on_timeout(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef bbr_t* state = state_of(tcb)
    save_window(tcb, state)
    put(state, RECOVERING, True)
    put(state, CONSERVING, False)
    # 4.2.3.4: one segment goes, beside what recovery leaves in flight
    tcb.cwnd = tcb.eff_mss
    # the path may be another one
    state.full_bandwidth = 0
    state.full_rounds = 0


cdef void on_undo(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef bbr_t* state = state_of(tcb)
    put(state, CONSERVING, False)
    put(state, RECOVERING, False)
    restore_window(tcb, state)
    # a loss that was none says nothing of a full pipe
    state.full_bandwidth = 0
    state.full_rounds = 0


cdef void on_idle(tcb_t* tcb, int64_t now) noexcept nogil:
    """The pace alone keeps a restart from being a burst (4.3.4.4)."""


cdef void on_restart(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef bbr_t* state = state_of(tcb)
    if not tcb.app_limited:
        return
    put(state, IDLE_RESTART, True)
    state.lump_began = now
    state.lump = 0
    if state.mode == PROBE_BW:
        set_pace(tcb, state, UNIT)
    elif state.mode == PROBE_RTT:
        leave_probe_rtt(tcb, state, now)


TABLE.name = b"bbr"
TABLE.owns_window = True
TABLE.owns_pace = True
TABLE.begin = begin
TABLE.on_ack = on_ack
TABLE.on_loss = on_loss
TABLE.on_ecn = on_loss
TABLE.on_timeout = on_timeout
TABLE.on_undo = on_undo
TABLE.on_idle = on_idle
TABLE.on_restart = on_restart

if sizeof(bbr_t) > sizeof((<tcb_t*> NULL).congestion_state):
    raise ImportError("the state of bbr is larger than tcb_t.congestion_state")


cdef const congestion_t* bbr() noexcept nogil:
    return &TABLE
