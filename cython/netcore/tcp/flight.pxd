"""What was sent and is outstanding, and what one ACK told of it: structs alone, the connection holds them."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.storage.links cimport link_t, list_t
from netcore.storage.treap cimport treap_node_t, treap_t

# marks of a stretch that was sent (scoreboard)
cdef enum SentMark:
    SENT_SACKED = 1
    # lost and not sent again since: it is in flight no more
    SENT_LOST = 2
    # sent more than once (Karn)
    SENT_AGAIN = 4
    # the application did not keep the pipe full when it went
    SENT_APP_LIMITED = 8

# a stretch of sequence numbers that went as one, in flight until it is acknowledged, SACKed or lost
cdef struct sent_t:
    treap_node_t node
    # in flight: in the order of sending; lost: in the order to send again; SACKed: in neither
    link_t link
    uint32_t end
    # segments of the wire that it stands for
    uint32_t segments
    uint8_t marks
    # TSval of the newest copy
    uint32_t tsval
    # when the newest copy went
    int64_t sent_at
    # delivery rate (draft-ietf-ccwg-bbr 4.1.2): the connection's delivered, delivered_at and first_sent when it went,
    # and what was in flight then, itself included
    uint64_t delivered
    int64_t delivered_at
    int64_t first_sent
    uint32_t in_flight

# what is outstanding, in sequence order; of that what is in flight in the order of sending, and what is lost in the
# order to send it again: before others what was sent again already, as all else may wait for it
cdef struct flight_t:
    treap_t sent
    list_t in_flight_order
    list_t lost_again_order
    list_t lost_order

# what one ACK told, for recovery and for the algorithm
cdef struct ack_sample_t:
    # bytes newly acknowledged, newly known to have arrived (acknowledged or SACKed), and newly found lost
    uint32_t acked
    uint32_t delivered
    uint32_t lost
    # segments of the wire that `delivered` stands for
    uint32_t delivered_segments
    # in flight, first unacknowledged, and highest known to have arrived before the ACK
    uint32_t prior_in_flight
    uint32_t prior_una
    uint32_t prior_fack
    # ns; of the newest and the oldest stretch that this ACK delivered and that went once; 0: there is none
    int64_t rtt
    int64_t oldest_rtt
    # delivery rate: bytes over ns; interval 0: no sample
    uint64_t rate_delivered
    int64_t interval
    # the connection's `delivered` when the newest stretch delivered was sent, when that was, and what was in flight
    uint64_t prior_delivered
    int64_t prior_time
    uint32_t prior_flight
    # that stretch went while the application kept the pipe short
    bint app_limited
    # the first ACK of a stretch sent after the last round's start: a round trip has passed
    bint round_start
    # ECN-Echo on this ACK (RFC 3168)
    bint congestion_echo
    # some of what was outstanding when the phase began has arrived and was sent once only
    bint sent_once
    # something sent once has arrived after what was sent behind it
    bint reordered
    # a duplicate by RFC 5681 2
    bint duplicate
    # the peer has received this twice (RFC 2883)
    bint dsack
    uint32_t dsack_start
    uint32_t dsack_end
    # the stretch sent last of those delivered: RACK (RFC 8985 6.2 step 2); sent -1: none
    int64_t newest_sent
    uint32_t newest_end
    int64_t newest_rtt
