"""Everything about the transport and its host that may be tuned; times in ns, sizes in bytes (tcp.md, wsp.md 0.1)."""

from libc.stdint cimport int64_t

cdef struct tunables_t:
    # maximum segment lifetime; TIME-WAIT lasts twice this (SEG-11)
    int64_t msl
    # retransmission (SND-6, SND-7)
    int64_t rto_initial
    int64_t rto_minimum
    int64_t rto_maximum
    int64_t data_retries
    int64_t synack_retries
    # active opens (LISTEN-67, LISTEN-71)
    int64_t syn_rto
    int64_t syn_retries
    int64_t syn_rst_wait
    # acknowledgements (SND-4, SEG-8)
    int64_t delayed_ack
    int64_t quick_acks
    int64_t challenge_interval
    # zero window (SND-5)
    int64_t persist_maximum
    # orphans (CLOSE-10)
    int64_t fin_wait_2
    int64_t user_timeout
    # keepalive of a connection that asks for it and names nothing else (SND-8)
    int64_t keepalive_time
    int64_t keepalive_interval
    int64_t keepalive_count
    # what a peer's user timeout option may make of ours (RFC 5482 3.1: L_LIMIT, U_LIMIT)
    int64_t user_timeout_least
    int64_t user_timeout_most
    # Fast Open (TCPX-6): connections of the host whose text came early and whose handshake is not done (0: none is let
    # in); how long one that was reset counts; life of a cookie's secret; servers remembered; how long one that does not
    # do it is left alone
    int64_t fast_open_pending
    int64_t fast_open_reset_life
    int64_t fast_open_key_life
    int64_t fast_open_servers
    int64_t fast_open_retry
    # bounds (SEG-15, LIM-2)
    int64_t maximum_holes
    int64_t memory_limit
    # buffers of a connection as they begin, and as they may grow with the path (TCPX-2). A beginning that is given
    # alone is the maximum as well: the buffer stays as it is
    int64_t send_buffer
    int64_t receive_buffer
    int64_t send_buffer_maximum
    int64_t receive_buffer_maximum
    # congestion control: initial window in segments (RFC 6928)
    int64_t initial_window
    # RFC 7323, 0 or 1
    int64_t timestamps
    int64_t window_scaling
    # RFC 2018 and with it RFC 8985, 0 or 1
    int64_t sack
    # RFC 5682, 0 or 1
    int64_t frto
    # RFC 3168: 0 never, 1 asked for and accepted, 2 accepted only; 3: as 1, in the accurate form of RFC 9768
    int64_t ecn
    # algorithms that do not pace themselves are paced at a little more than a window each round trip, 0 or 1 (REC-6)
    int64_t pacing
    # largest text of one frame where the device cuts superframes
    int64_t maximum_superframe
    # SYN cookies while a listener is under attack (LISTEN-74, 78), and the life of an unanswered request (ACPT-34)
    int64_t syn_protection
    int64_t syn_flood_age
    int64_t syn_flood_calm
    int64_t conditional_life
    # undecided requests of one listener (ACPT-33)
    int64_t conditional_requests
    # path MTU (TCPX-4), bytes and ns: 0 or 1; the least that an ICMP message is believed; how long it is; how long
    # until a larger size is tried again; after how many time-outs in a row a smaller one is
    int64_t path_mtu_discovery
    int64_t path_mtu_minimum
    int64_t path_mtu_lifetime
    int64_t path_probe_interval
    int64_t black_hole_timeouts
    # segments with TCP-AO of a peer without a key pass as if unsigned (RFC 5925 7.3), 0 or 1
    int64_t unknown_ao
    # the network layer
    int64_t ttl
    # ICMP errors, a bucket of tokens for each destination and one for all: ns until a token is back, tokens at most
    int64_t icmp_interval
    int64_t icmp_burst
    int64_t icmp_interval_of_all
    int64_t icmp_burst_of_all
    # datagrams whose fragments are awaited: how long, how many of all and of one source, and their bytes
    int64_t reassembly_time
    int64_t reassembly_datagrams
    int64_t reassembly_datagrams_of_source
    int64_t reassembly_memory
    int64_t neighbor_lifetime
    int64_t neighbor_retry
    int64_t neighbor_tries
    int64_t neighbor_queue
    int64_t neighbor_limit
    # what tcp_info tells of a connection beside what TCP needs is counted (statistics_t bytes more each), 0 or 1
    int64_t connection_statistics


cdef inline void set_default_tunables(tunables_t* t) noexcept nogil:
    t.msl = 30_000_000_000
    t.rto_initial = 1_000_000_000
    t.rto_minimum = 200_000_000
    t.rto_maximum = 60_000_000_000
    t.data_retries = 15
    t.synack_retries = 5
    t.syn_rto = 1_000_000_000
    t.syn_retries = 4
    t.syn_rst_wait = 500_000_000
    t.delayed_ack = 40_000_000
    t.quick_acks = 16
    t.challenge_interval = 500_000_000
    t.persist_maximum = 60_000_000_000
    t.fin_wait_2 = 60_000_000_000
    t.user_timeout = 300_000_000_000
    t.keepalive_time = 7_200_000_000_000
    t.keepalive_interval = 1_000_000_000
    t.keepalive_count = 10
    t.user_timeout_least = 100_000_000_000
    t.user_timeout_most = 3_600_000_000_000
    t.fast_open_pending = 256
    t.fast_open_reset_life = 60_000_000_000
    t.fast_open_key_life = 86_400_000_000_000
    t.fast_open_servers = 1024
    t.fast_open_retry = 3_600_000_000_000
    t.maximum_holes = 128
    t.memory_limit = 1 << 30
    t.send_buffer = 256 << 10
    t.receive_buffer = 256 << 10
    # a round trip of 200 ms at 1 Gbit/s, and the most that a window scale of 9 can say
    t.send_buffer_maximum = 65535 << 9
    t.receive_buffer_maximum = 65535 << 9
    t.initial_window = 10
    t.timestamps = 1
    t.window_scaling = 1
    t.sack = 1
    t.frto = 1
    t.ecn = 2
    t.pacing = 0
    t.maximum_superframe = 65160
    t.syn_protection = 1
    t.syn_flood_age = 1_000_000_000
    t.syn_flood_calm = 5_000_000_000
    t.conditional_life = 30_000_000_000
    t.conditional_requests = 65535
    t.path_mtu_discovery = 1
    # a plateau of RFC 1191 7.1: the fewest octets of any link that is still about
    t.path_mtu_minimum = 508
    t.path_mtu_lifetime = 600_000_000_000
    t.path_probe_interval = 600_000_000_000
    t.black_hole_timeouts = 3
    t.unknown_ao = 1
    t.ttl = 128
    t.icmp_interval = 1_000_000_000
    t.icmp_burst = 6
    t.icmp_interval_of_all = 1_000_000
    t.icmp_burst_of_all = 50
    t.reassembly_time = 30_000_000_000
    t.reassembly_datagrams = 256
    t.reassembly_datagrams_of_source = 16
    t.reassembly_memory = 4 << 20
    t.neighbor_lifetime = 30_000_000_000
    t.neighbor_retry = 1_000_000_000
    t.neighbor_tries = 3
    t.neighbor_queue = 64
    t.neighbor_limit = 1024
    t.connection_statistics = 0
