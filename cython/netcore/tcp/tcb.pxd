"""State, tcb_t and transport_t: what TCP knows of a connection (RFC 9293 3.3.1) and of a host; change_state.

Everything to the right of this file works on these structs. An endpoint's times are ns, its sizes bytes; sequence
variables carry their RFC names.
"""

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from netcore.paths cimport paths_t
from netcore.storage.byte_queue cimport byte_queue_t
from netcore.storage.chunks cimport chunk_pool_t
from netcore.storage.deadlines cimport NEVER, arm, deadline_t, deadlines_t
from netcore.storage.links cimport link_t, list_append, list_t
from netcore.storage.random cimport random_t
from netcore.storage.siphash cimport hash_key_t
from netcore.storage.slab cimport slab_take, slab_t
from netcore.storage.table cimport table_node_t, table_t
from netcore.tcp.counters cimport counters_t
from netcore.tcp.extras cimport extras_t
from netcore.tcp.flight cimport ack_sample_t, flight_t
from netcore.tcp.keys cimport keys_t, signature_t
from netcore.tcp.rtt cimport rtt_t
from netcore.tcp.tunables cimport tunables_t
from netcore.wire.address cimport address_t

# numbers as WSP reports them (IOCTL-18)
cdef enum State:
    CLOSED = 0
    LISTEN = 1
    SYN_SENT = 2
    SYN_RECEIVED = 3
    ESTABLISHED = 4
    FIN_WAIT_1 = 5
    FIN_WAIT_2 = 6
    CLOSE_WAIT = 7
    CLOSING = 8
    LAST_ACK = 9
    TIME_WAIT = 10
    STATE_COUNT = 11

cdef enum Status:
    STATUS_OK = 0
    STATUS_WOULD_BLOCK = -1
    STATUS_NOT_CONNECTED = -2
    STATUS_RESET = -3
    STATUS_ABORTED = -4
    STATUS_TIMED_OUT = -5
    STATUS_REFUSED = -6
    STATUS_SHUT_DOWN = -7
    STATUS_IN_USE = -8
    STATUS_NO_BUFFERS = -9
    STATUS_UNREACHABLE = -10
    STATUS_INVALID = -11
    STATUS_HANDLE_CLOSED = -12
    # the peer answered no keepalive probe (GEN-11)
    STATUS_NET_RESET = -13

cdef enum Readiness:
    READY_READABLE = 1
    READY_WRITABLE = 2
    READY_ACCEPTABLE = 4
    READY_CONNECTED = 8
    READY_FAILED = 16
    READY_PEER_CLOSED = 32
    READY_SENT = 64
    READY_GONE = 128
    # an urgent byte can be received out of line, or is announced
    READY_URGENT = 256

cdef enum EndpointKind:
    ENDPOINT_CONNECTION = 1
    ENDPOINT_LISTENER = 2

cdef enum EntryKind:
    ENTRY_CONNECTION = 1
    ENTRY_TIME_WAIT = 2

cdef enum Timer:
    # retransmission, persist probe and SYN wait exclude each other and share one timer
    TIMER_RETRANSMIT = 0
    TIMER_DELAYED_ACK = 1
    # end of life of an orphan (CLOSE-10)
    TIMER_ORPHAN = 2
    # a segment that may only be late counts as lost then (RFC 8985 6.2 step 5)
    TIMER_REORDERING = 3
    # tail loss probe (RFC 8985 7.2)
    TIMER_PROBE = 4
    # the pace allows the next segment
    TIMER_PACING = 5
    TIMER_COUNT = 6

# what a heap item of transport.deadlines belongs to
cdef enum DeadlineKind:
    DEADLINE_CONNECTION = 1
    DEADLINE_TIME_WAIT = 2
    DEADLINE_NEIGHBOR = 3
    DEADLINE_FRAGMENTS = 4

# a thread that waits; lives in that thread's memory while it waits
cdef struct waiter_t:
    int descriptor
    bint signalled
    # its wait is to end although nothing is ready; written without the lock
    int woken
    link_t waking_link
    # while it sleeps and another thread drives
    link_t following_link

cdef struct watch_t:
    link_t link
    waiter_t* waiter
    int mask

cdef struct endpoint_t

# what the program's side of a connection or listener needs
cdef struct endpoint_t:
    # EndpointKind
    uint8_t kind
    # a handle exists that has not let go, or a service
    uint8_t held
    # a service of the core asks for its pending bits (transport.served)
    uint8_t served
    # Readiness bits that came up and nobody has asked for
    int pending
    # borrowed pointer to the Python handle; read and written with the GIL held
    void* handle
    # the tcb_t or listener_t this is part of, and the next endpoint whose handle died without letting go
    void* owner
    endpoint_t* release_next
    link_t event_link
    list_t watches

cdef struct entry_t:
    table_node_t node
    EntryKind kind
    uint16_t local_port
    uint16_t remote_port
    address_t local
    address_t remote

cdef struct transport_t
cdef struct tcb_t
cdef struct listener_t

# out-of-order text (reassembly)
cdef enum:
    RANGES_MOST = 256
    # more than the changes that one batch of frames can bring, so that each is reported
    RECENT_MOST = 64
    # duplicates of one batch that are reported, each in an ACK of its own
    TWICE_MOST = 3

cdef struct range_t:
    uint32_t start
    uint32_t end
    byte_queue_t bytes

cdef struct reassembly_t:
    uint32_t count
    # a number within each range that changed, the latest first; how many of them no ACK has reported yet (RFC 2018 4)
    uint32_t recent_count
    uint32_t fresh
    uint32_t recent[64]
    # sequence number of a FIN that came early, valid when has_fin
    bint has_fin
    uint32_t fin_seq
    range_t ranges[256]

# how large a segment the path takes (path_mtu): where it is not as large as both ends would take, or not known to be.
# Sizes are those of the text of a segment without options.
cdef struct path_search_t:
    # passes; may pass at most
    uint16_t passes
    uint16_t most
    # the probe that is out, 0: none, and its sequence numbers
    uint16_t probe
    uint32_t probe_start
    uint32_t probe_end
    # the path takes less than the least that is believed: routers may cut
    uint8_t may_fragment
    # probes that failed since the search began
    uint8_t failures
    int64_t next_probe

# how sending stands (the congestion state of a connection)
cdef enum Phase:
    # nothing is known to be lost
    PHASE_OPEN = 0
    # the peer has reported congestion (ECN): the window comes down over a round trip
    PHASE_REDUCING = 1
    # loss was found by SACK and time, or by duplicate ACKs
    PHASE_RECOVERY = 2
    # the retransmission timer expired
    PHASE_LOSS = 3

# whether the reaction to a loss can still be taken back
cdef enum Undo:
    UNDO_NEVER = 0
    # nothing has been sent again yet
    UNDO_BEGUN = 1
    # undo_end and undo_tsval are those of the first retransmission
    UNDO_MARKED = 2

# RFC 5682
cdef enum Frto:
    FRTO_OFF = 0
    # the first segment was sent again, its ACK decides whether new data is sent
    FRTO_FIRST = 1
    # new data goes in place of retransmissions: the second ACK decides
    FRTO_SECOND = 2

# one algorithm is one such table in a file of its own under congestion/ (REC-5); functions may be NULL where noted
cdef struct congestion_t:
    const char* name
    # it sets cwnd in every phase: proportional rate reduction keeps out
    bint owns_window
    # it sets pacing_rate itself
    bint owns_pace
    # the connection is established: set cwnd and ssthresh (retries != 0: the SYN was lost)
    void (*begin)(tcb_t* tcb, int64_t now) noexcept nogil
    # an ACK that delivered something, after recovery has dealt with it. With owns_window in every phase; else in
    # PHASE_OPEN and PHASE_LOSS, when cwnd may grow by sample.acked
    void (*on_ack)(tcb_t* tcb, const ack_sample_t* sample, int64_t now) noexcept nogil
    # loss was found, recovery begins: set ssthresh
    void (*on_loss)(tcb_t* tcb, int64_t now) noexcept nogil
    # ECN-Echo, the window is to come down: set ssthresh (RFC 8511); prr_flight is what was in flight before this ACK
    void (*on_ecn)(tcb_t* tcb, int64_t now) noexcept nogil
    # retransmission time-out (tcb.retries: how many went before for the same data): set ssthresh, and cwnd to what goes
    # beside that which stays in flight
    void (*on_timeout)(tcb_t* tcb, int64_t now) noexcept nogil
    # everything outstanding when recovery, reduction or loss began is acknowledged; NULL: nothing to do
    void (*on_recovered)(tcb_t* tcb, int64_t now) noexcept nogil
    # the loss was none: cwnd and ssthresh have been put back; NULL: nothing to do
    void (*on_undo)(tcb_t* tcb, int64_t now) noexcept nogil
    # sending again with nothing in flight after an idle time longer than the RTO
    void (*on_idle)(tcb_t* tcb, int64_t now) noexcept nogil
    # something is about to be sent with nothing in flight; NULL: nothing to do
    void (*on_restart)(tcb_t* tcb, int64_t now) noexcept nogil

cdef enum:
    # the time over which cookies are counted, in parts; one more is being filled
    FLOOD_PARTS = 5

# LISTEN-74: whether a listener is under attack, and how its cookies fared of late
cdef struct flood_t:
    bint on
    int64_t since
    int64_t last_cookie
    int64_t part
    uint32_t sent[6]
    uint32_t validated[6]

# a program inside the core that serves the connections of one listener (services)
cdef struct service_t:
    # connections it serves, by queue_link. First: where a connection is queued is its service
    list_t open
    listener_t* listener
    # ServiceKind
    int kind
    uint32_t connections_most
    uint64_t accepted
    # of those accepted, ended by the peer or the path before their end
    uint64_t failed
    # bytes taken out of receive queues and put into send queues
    uint64_t received
    uint64_t sent

cdef struct listener_t:
    table_node_t node
    endpoint_t endpoint
    transport_t* transport
    # NULL: a program accepts
    service_t* service
    # unspecified: the wildcard
    address_t local
    uint16_t local_port
    # listeners of one address and port: the lowest rank is asked (BIND-25)
    uint32_t rank
    uint32_t backlog
    # SYN-RECEIVED connections, oldest SYN first
    list_t half_open
    # finished and un-accepted ones, in handshake-completion order (LISTEN-54)
    list_t finished
    # requests whose SYN waits for a decision (ACPT-31), oldest first; not counted (LISTEN-48)
    list_t requests
    bint conditional
    bint paused
    # SYNs with a cookie bring text at once (RFC 7413)
    bint fast_open
    # ADV_UTO of its connections, ns (RFC 5482); 0: the option is off
    int64_t advertised_timeout
    # the first half-open connection that is not counted in `aged` (older than syn_flood_age) yet
    link_t* young
    uint32_t aged
    flood_t flood

# SEG-11: at most 1/4 of a connection
cdef struct timewait_t:
    entry_t entry
    transport_t* transport
    deadline_t deadline
    uint32_t snd_nxt
    uint32_t rcv_nxt
    uint32_t ts_recent
    uint32_t ts_offset
    int64_t last_challenge
    # NULL: it is not signed
    signature_t* signature
    uint16_t window
    bint timestamps

# a time that means one thing while the handshake lasts and another from then on, ns
cdef union span_t:
    # the first time-out of the SYN
    int64_t syn_rto
    # since when min_rtt_now is the least
    int64_t min_rtt_since

cdef union since_t:
    # when it became half-open
    int64_t half_open
    # since when what the program takes is counted (autotune), 0: not yet
    int64_t round

# 1 KiB with its places in the tables (LIM-1): what is small stands beside what is small
cdef struct tcb_t:
    entry_t entry
    endpoint_t endpoint
    transport_t* transport

    # send sequence variables
    uint32_t iss
    uint32_t snd_una
    uint32_t snd_nxt
    uint32_t snd_wnd
    uint32_t snd_wl1
    uint32_t snd_wl2
    uint32_t max_snd_wnd
    # receive sequence variables
    uint32_t irs
    uint32_t rcv_nxt
    # right edge of the window last announced; never moves left
    uint32_t rcv_adv
    uint32_t last_ack_sent
    uint8_t snd_wind_shift
    uint8_t rcv_wind_shift
    # MSS the peer announced, and bytes of text in a full segment after options
    uint16_t snd_mss
    uint16_t eff_mss
    # bytes of text of a full segment as the peer sends them, learnt from what arrives
    uint16_t rcv_mss

    # what the handshake settled: RFC 7323, RFC 2018, RFC 3168 (ecn.EcnMark)
    uint8_t window_scaling
    uint8_t timestamps
    uint8_t sack
    uint8_t ecn
    # RFC 7323
    uint32_t ts_recent
    uint32_t ts_offset
    int64_t ts_recent_time

    # NULL: it is not signed (TCPX-7)
    signature_t* signature
    byte_queue_t send_queue
    byte_queue_t receive_queue
    reassembly_t* reassembly
    uint32_t send_limit
    uint32_t receive_limit
    # autotuning (TCPX-2). The receiver's round trip, ns; since when it is measured, and the timestamp last echoed or
    # the number that ends the measurement. Since when what the program takes is counted, from which number on, and the
    # most that it took in a round trip. The program has set the buffer
    int64_t receive_trip
    int64_t trip_since
    since_t since
    uint32_t trip_mark
    uint32_t round_first
    uint32_t taken_most
    uint8_t send_fixed
    uint8_t receive_fixed
    # the receiver: segments that are acknowledged at once; received twice (RFC 2883), to be reported by the next ACKs
    uint8_t quick_acks
    uint8_t twice_count
    uint32_t twice_start[3]
    uint32_t twice_end[3]

    # time-outs: due[] is the truth, `timer` in the heap is due no later than the earliest
    int64_t due[6]
    deadline_t timer
    rtt_t rtt
    # the end of what was last sent again, and the TSval when the first outstanding segment went again (Karn)
    uint32_t resent_seq
    uint32_t resent_ts
    int64_t last_sent
    int64_t last_challenge
    span_t span
    uint8_t syn_retries
    # the last SYN was answered by RST: the next goes after a constant wait (LISTEN-67)
    uint8_t syn_refused
    uint8_t backoff
    uint8_t retries
    # sequence numbers that the peer's SYN occupied, with its text
    uint32_t syn_len

    # what was sent and is not acknowledged; NULL: nothing
    flight_t* flight
    # bytes in flight (RFC 6675's pipe), bytes and segments SACKed
    uint32_t in_flight
    uint32_t sacked
    uint32_t sacked_segments
    # segments that went again
    uint32_t total_retrans
    # NULL: the path is taken to carry what both ends take
    path_search_t* path

    # congestion control
    const congestion_t* congestion
    uint32_t cwnd
    uint32_t ssthresh
    # private to the algorithm
    uint64_t congestion_state[14]
    # whether cwnd was all used when something went last: 0, CWND_SHORT or CWND_FILLED
    uint8_t cwnd_limited

    # recovery: phase and what ends it (RFC 6582); snd_nxt when it began
    uint8_t phase
    uint16_t dupacks
    uint32_t recover
    # proportional rate reduction (RFC 9937): flight when it began, bytes delivered and sent since
    uint32_t prr_flight
    uint32_t prr_delivered
    uint32_t prr_out
    # undoing (RFC 4015, 5682, 2883): cwnd and ssthresh before; snd_una when it began; the highest end of what was sent
    # again; end and TSval of the first retransmission; segments sent again and not reported as received twice
    uint32_t prior_cwnd
    uint32_t prior_ssthresh
    uint32_t undo_una
    uint32_t undo_high
    uint32_t undo_end
    uint32_t undo_tsval
    uint32_t undo_segments
    # bytes of new data that F-RTO still lets go
    uint32_t frto_room
    uint8_t undo
    uint8_t frto

    # RACK-TLP (RFC 8985): xmit_ts (-1: none), end_seq and rtt of the newest segment delivered; the highest
    # number that was
    uint8_t reordering_seen
    uint8_t reordering_steps
    uint8_t reordering_persist
    uint8_t rack_dsack_seen
    # a tail loss probe is out, and whether it was a retransmission; probe_end: snd_nxt then
    uint8_t probe_out
    uint8_t probe_again
    uint32_t probe_end
    uint32_t rack_end
    uint32_t rack_fack
    uint32_t rack_dsack_round
    # how often rcv_nxt has come round to irs
    uint32_t rcv_rounds
    int64_t rack_sent
    int64_t rack_rtt
    # the least round trip of the last minute, of this and of the one before, ns; 0: none
    int64_t min_rtt
    int64_t min_rtt_now

    # delivery rate (draft-ietf-ccwg-bbr 4.1): bytes delivered and lost in all; when the newest was delivered; when the
    # oldest in flight went; the mark of the application's limit (0: none); where the round ends
    uint64_t delivered
    uint64_t lost
    int64_t delivered_at
    int64_t first_sent
    uint64_t app_limited
    uint64_t round_delivered
    # bytes per second, 0: not paced; when the next segment may go
    uint64_t pacing_rate
    int64_t pace_at

    # ECN (RFC 3168): CE has come and is echoed until CWR comes; CWR goes with the next new text
    uint8_t ecn_echo
    uint8_t cwr_wanted
    # accurate ECN (RFC 9768): packets with CE that came, and those the peer tells of; the code that the next segment
    # carries in place of the count, 0: none
    uint8_t ce_received
    uint8_t ce_echoed
    uint8_t ace_code

    # marks: what output is wanted
    uint8_t syn_wanted
    uint8_t ack_wanted
    # the first lost stretch goes whatever cwnd says (fast retransmit)
    uint8_t resend_now
    # a tail loss probe
    uint8_t tail_wanted
    uint8_t probe_wanted
    # the window is closed or too small and nothing is in flight: TIMER_RETRANSMIT runs for a probe (SND-5)
    uint8_t persisting
    # OPT-49: an ICMP error ends the handshake of an active open
    uint8_t icmp_fails_connect
    # duplicate ACKs owed beside the first
    uint16_t dupacks_owed
    # TCPX-5: type and code (type * 256 + code) of the last ICMP error since an ACK came that was news; 0: none
    uint16_t soft_error
    # State
    uint8_t state
    # Status: the terminal code, STATUS_OK while there is none (GEN-11)
    int8_t status

    # facts
    uint8_t fin_queued
    uint8_t fin_sent
    uint8_t fin_received
    uint8_t nodelay
    # the call that sends has not given all its text yet: what does not fill a frame waits for the rest
    uint8_t corked
    # the handshake took so short a time that the peer is on this machine, or next to it
    uint8_t is_near
    # of a near peer: frames far from full although there was room, the others taken off (autotune.hold_back)
    uint8_t little_frames
    uint8_t receive_shut
    uint8_t orphan
    uint8_t in_table
    uint8_t passive
    # the listener counts it as aged
    uint8_t aged
    # an accept is deciding on it; it was deferred (ACPT-23); it was accepted before its handshake (ACPT-32)
    uint8_t selected
    uint8_t deferred
    uint8_t approved
    # it has been in ESTABLISHED, whatever became of it
    uint8_t synchronized
    # text goes both ways though its SYN,ACK is not acknowledged yet (RFC 7413)
    uint8_t early
    link_t output_link
    link_t queue_link
    listener_t* listener
    # NULL: none of it is used
    extras_t* extras

# a segment on its way out: egress puts the headers before it
cdef struct segment_out_t:
    address_t local
    address_t remote
    uint16_t local_port
    uint16_t remote_port
    uint32_t seq
    uint32_t ack
    uint16_t flags
    uint8_t options_length
    uint16_t wnd
    # valid with URG
    uint16_t up
    # its TSval, behind two NOPs, is the offset alone: the time is added as it leaves
    uint8_t undated
    # the ECN field of its packet (RFC 3168 5)
    uint8_t ecn
    # routers may cut its packet
    uint8_t may_fragment
    # the connection has nothing to send behind it
    uint8_t is_last
    # text[offset:offset+length] of the queue; a frame with more than `mss` bytes is a superframe
    byte_queue_t* queue
    uint64_t offset
    uint32_t text_length
    uint16_t mss
    uint8_t options[40]

cdef enum:
    CONTROL_CAPACITY = 512
    # openings with a cookie that were reset and still count (RFC 7413 5.1)
    EARLY_RESETS_MOST = 256

# what a client knows of a server (RFC 7413 4.1.3)
cdef struct remembered_t:
    address_t remote
    int64_t used_at
    # at this port it is not asked nor given the cookie before that
    int64_t not_before
    uint16_t port
    uint16_t mss
    uint8_t cookie_length
    uint8_t cookie[16]

# everything TCP owns in one host
cdef struct transport_t:
    tunables_t tunables
    counters_t counters
    chunk_pool_t pool
    table_t connections
    table_t listeners
    # what was found last, by the low bits of its ports (table.find_entry)
    entry_t* found[64]
    # whose text came last that was no mere word; for comparison only, it may be gone
    const void* text_of
    # how often it did in a row
    uint32_t text_run
    slab_t tcbs
    slab_t timewaits
    slab_t listener_slab
    slab_t reassemblies
    slab_t sents
    slab_t flights
    slab_t searches
    # what is known of paths, for connections to come
    paths_t paths
    slab_t signatures
    keys_t keys
    slab_t extras
    deadlines_t deadlines
    # connections that may have something to send
    list_t output
    # endpoints with pending bits, of programs and of services
    list_t events
    list_t served
    # waiters to be woken when the lock is let go
    list_t waking
    # ended connections, freed when the event at hand is done with
    list_t graveyard
    hash_key_t table_key
    hash_key_t isn_key
    hash_key_t timestamp_key
    hash_key_t cookie_key
    random_t random
    # of trees: apart, so that they do not shift what else is drawn
    random_t priorities
    # the algorithm of new connections
    const congestion_t* congestion
    # segments without text that belong to no connection: RST, answers of TIME-WAIT
    segment_out_t* control
    uint32_t control_first
    uint32_t control_count
    # connections and listeners on each local port, TIME-WAIT aside
    uint32_t* port_users
    uint32_t half_open
    uint32_t orphans
    # Fast Open: the cookies' secret; connections whose text came early and whose handshake is not done; when others of
    # them were reset, the earliest first; cookies of servers (NULL: none yet)
    hash_key_t fast_open_key
    uint32_t early
    uint32_t early_resets_first
    uint32_t early_resets_count
    int64_t early_resets[256]
    remembered_t* remembered
    # MSS to announce, and the largest text of one frame (0: no superframes)
    uint16_t local_mss
    uint32_t superframe


cdef bint change_state(tcb_t* tcb, State state) noexcept nogil
cdef const char* name_of_state(int state) noexcept nogil
cdef bint is_legal(int before, int after) noexcept nogil


cdef inline void want_output(tcb_t* tcb) noexcept nogil:
    """Marks the connection as one that egress should ask for segments."""
    if tcb.output_link.where == NULL:
        list_append(&tcb.transport.output, &tcb.output_link, tcb)


cdef inline void want_ack(tcb_t* tcb) noexcept nogil:
    tcb.ack_wanted = True
    want_output(tcb)


cdef inline void notify(transport_t* transport, endpoint_t* endpoint, int bits) noexcept nogil:
    """Readiness bits came up: recorded for whoever drains events, waiters that watch for them are to be woken."""
    cdef link_t* link
    cdef watch_t* watch
    if not endpoint.held:
        return
    endpoint.pending |= bits
    if endpoint.event_link.where == NULL:
        list_append(&transport.served if endpoint.served else &transport.events, &endpoint.event_link, endpoint)
    link = endpoint.watches.first
    while link != NULL:
        watch = <watch_t*> link.owner
        if watch.mask & bits and not watch.waiter.signalled:
            watch.waiter.signalled = True
            list_append(&transport.waking, &watch.waiter.waking_link, watch.waiter)
        link = link.next


cdef inline void schedule(tcb_t* tcb, Timer timer, int64_t due) noexcept nogil:
    """Sets one time-out; the heap is touched only when it comes before all others."""
    tcb.due[<int> timer] = due
    if tcb.timer.place == 0 or due < tcb.timer.due:
        arm(&tcb.transport.deadlines, &tcb.timer, tcb, DEADLINE_CONNECTION, due)


cdef inline void cancel(tcb_t* tcb, Timer timer) noexcept nogil:
    """Clears one time-out; the heap's node, due too early then, is put right when it comes up."""
    tcb.due[<int> timer] = NEVER


cdef inline int64_t earliest_due(const tcb_t* tcb) noexcept nogil:
    cdef int64_t due = tcb.due[0]
    cdef int i
    for i in range(1, <int> TIMER_COUNT):
        if tcb.due[i] < due:
            due = tcb.due[i]
    if tcb.extras != NULL:
        if tcb.extras.keepalive_due < due:
            due = tcb.extras.keepalive_due
        if tcb.extras.user_due < due:
            due = tcb.extras.user_due
    return due


cdef inline void schedule_extra(tcb_t* tcb, int64_t* slot, int64_t due) noexcept nogil:
    """Sets a time-out of `extras`, as schedule does those of every connection."""
    slot[0] = due
    if tcb.timer.place == 0 or due < tcb.timer.due:
        arm(&tcb.transport.deadlines, &tcb.timer, tcb, DEADLINE_CONNECTION, due)


cdef inline extras_t* need_extras(tcb_t* tcb) noexcept nogil:
    """What this connection has beyond others, made when there is none yet; NULL when there is no memory."""
    if tcb.extras == NULL:
        tcb.extras = <extras_t*> slab_take(&tcb.transport.extras)
        if tcb.extras != NULL:
            tcb.extras.keepalive_due = tcb.extras.user_due = NEVER
    return tcb.extras


cdef inline int64_t backed_off_rto(const tcb_t* tcb) noexcept nogil:
    """The RTO as often doubled as it expired in vain, at most rto_maximum (RFC 6298 2.5, 5.5)."""
    cdef int64_t rto = tcb.rtt.rto << tcb.backoff
    return rto if rto < tcb.transport.tunables.rto_maximum else tcb.transport.tunables.rto_maximum


cdef inline bint is_synchronized(const tcb_t* tcb) noexcept nogil:
    return tcb.state >= ESTABLISHED


cdef inline uint32_t flight_size(const tcb_t* tcb) noexcept nogil:
    """RFC 5681's FlightSize: sequence space sent and not acknowledged."""
    return tcb.snd_nxt - tcb.snd_una


cdef inline bint is_anything_lost(const tcb_t* tcb) noexcept nogil:
    return tcb.flight != NULL and (tcb.flight.lost_order.first != NULL or tcb.flight.lost_again_order.first != NULL)


cdef inline bint is_syn_out(const tcb_t* tcb) noexcept nogil:
    """Our SYN is not acknowledged yet; numbers alone do not say it, since every 4 GiB they come round to ISS."""
    return tcb.snd_una == tcb.iss and tcb.state <= SYN_RECEIVED


cdef inline uint32_t queue_seq(const tcb_t* tcb) noexcept nogil:
    """Sequence number of the first byte in the send queue."""
    return tcb.iss + 1 if is_syn_out(tcb) else tcb.snd_una


cdef inline uint64_t unsent(const tcb_t* tcb) noexcept nogil:
    """Bytes of the send queue that have never left, until a FIN has."""
    return tcb.send_queue.length - <uint32_t> (tcb.snd_nxt - queue_seq(tcb))


cdef inline uint32_t receive_window(const tcb_t* tcb) noexcept nogil:
    """RCV.WND: what the peer was told it may send, beyond rcv_nxt."""
    return tcb.rcv_adv - tcb.rcv_nxt


cdef enum:
    # more waited than it let go; what went filled it and nothing waits
    CWND_SHORT = 1
    CWND_FILLED = 2


cdef enum:
    # ns (RFC 7323 5.4)
    TIMESTAMP_TICK = 1000000


cdef inline uint32_t timestamp_now(const tcb_t* tcb, int64_t now) noexcept nogil:
    """TSval: a clock of 1 ms (RFC 7323 5.4)."""
    return <uint32_t> (now // TIMESTAMP_TICK) + tcb.ts_offset


cdef inline int64_t time_since_echo(const tcb_t* tcb, uint32_t tsecr, int64_t now) noexcept nogil:
    """ns since we sent the timestamp that comes back, in its steps; -1: we sent none such."""
    cdef int64_t elapsed = <int64_t> (timestamp_now(tcb, now) - tsecr) * TIMESTAMP_TICK
    return elapsed if elapsed <= tcb.transport.tunables.rto_maximum * 4 else -1
