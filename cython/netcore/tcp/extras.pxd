"""extras_t: what only some connections have, behind a pointer of the connection, made when first used (LIM-1).

Times are ns. Keepalive (SND-8, RFC 9293 3.8.4), the user timeout and its option (SND-7, RFC 5482), urgent mode (SEG-16,
RFC 9293 3.8.5), Fast Open (TCPX-6, RFC 7413).
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    # urgent bytes that a connection keeps, and marks in its stream; what is beyond them is plain text
    MARKS_MOST = 16
    COOKIE_MOST = 16

# how far the opening with a cookie has come
cdef enum FastOpen:
    FAST_OPEN_OFF = 0
    # client: to be tried with the first SYN
    FAST_OPEN_WANTED = 1
    # client: the SYN asked for a cookie
    FAST_OPEN_ASKED = 2
    # client: the SYN carried a cookie; server: the SYN,ACK is to carry `cookie`
    FAST_OPEN_GIVEN = 3

# why text did not go with the SYN, or was not taken, under the kernel's numbers
cdef enum FastOpenFail:
    NO_COOKIE = 1
    TEXT_NOT_ACKED = 2
    SYN_SENT_AGAIN = 3

# where an urgent byte stands, or stood, in the stream
cdef struct mark_t:
    uint32_t seq
    # it has come, and so many bytes of the receive queue lie before it
    uint8_t arrived
    # it is one of the receive queue's own bytes
    uint8_t within
    uint64_t offset

cdef struct extras_t:
    # when the last segment came
    int64_t heard_at
    # keepalive: idle time before the first probe, time between probes; how many go without an answer, and have gone
    int64_t keepalive_idle
    int64_t keepalive_interval
    int64_t keepalive_due
    uint8_t keepalive
    uint8_t keepalive_count
    uint8_t keepalive_probes
    uint8_t keepalive_wanted
    # user timeout: 0: retries are counted instead; NEVER: for ever. When it ends for what is unacknowledged now
    int64_t user_timeout
    int64_t user_due
    # RFC 5482 3.1: the option is ENABLED (sent; honoured while USER_TIMEOUT is CHANGEABLE); it is to be sent; ADV_UTO
    uint8_t option_enabled
    uint8_t option_changeable
    uint8_t option_wanted
    int64_t advertised_timeout
    # urgent mode, sending: until what lies before snd_up is acknowledged
    uint32_t snd_up
    uint8_t urgent_sending
    # the pointer names the urgent byte itself (RFC 1122 4.2.2.4) and not the one behind it (RECV-28)
    uint8_t urgent_1122
    # receiving: bytes stay in the stream (RECV-27); marks in sequence order; bytes taken out of it, the oldest first
    uint8_t urgent_inline
    uint8_t mark_count
    uint8_t held_count
    uint8_t held[16]
    mark_t marks[16]
    # Fast Open; FastOpenFail or 0; the SYN's text was taken, on either side; bytes of text that went with the SYN
    uint8_t fast_open
    uint8_t fast_open_fail
    uint8_t syn_text_taken
    uint8_t cookie_length
    uint8_t cookie[16]
    uint32_t syn_text
