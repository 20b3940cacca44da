"""What must hold of every connection after every event and of every segment that it sends (RFC 9293 3.4, 3.8).

The checks know a connection only by its variables and by what it puts on the wire; what they remember of it from one
event to the next is a shadow of their own. Whoever changes how much may be in flight has `allowance` to look at.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from netcore.egress cimport outgoing_t
from netcore.host cimport host_t
from netcore.storage.slab cimport slab_t
from netcore.storage.table cimport table_node_t, table_t
from netcore.tcp.tcb cimport tcb_t
from netcore.violation cimport violation_t
from netcore.wire.address cimport address_t

# what was so at the last look
cdef struct shadow_t:
    table_node_t node
    const tcb_t* tcb
    const host_t* host
    uint32_t iss
    uint16_t local_port
    uint16_t remote_port
    # iss and irs are known, the rest means something
    bint synchronized
    uint32_t snd_una
    uint32_t snd_nxt
    uint32_t rcv_nxt
    uint32_t rcv_adv
    # a tail loss probe is out
    bint probe_out
    uint32_t probe_end
    # furthest that the peer has ever allowed
    uint32_t allowed_edge
    # newest acknowledgement and furthest right edge put on the wire
    bint announced
    uint32_t sent_ack
    uint32_t sent_edge

cdef struct checker_t:
    bint on
    violation_t* violation
    table_t shadows
    slab_t slab
    uint64_t checks

cdef bint checker_open(checker_t* checker, violation_t* violation) noexcept nogil
cdef void checker_close(checker_t* checker) noexcept nogil
# A frame that is about to leave.
cdef void check_sent(checker_t* checker, host_t* host, const outgoing_t* out) noexcept nogil
# The connection of these names, if there is one, after an event and all that it made leave.
cdef void check_connection(checker_t* checker, host_t* host, const address_t* local, uint16_t local_port,
                           const address_t* remote, uint16_t remote_port) noexcept nogil
# Every connection of a host.
cdef void check_connections(checker_t* checker, host_t* host) noexcept nogil
# What belongs to no connection.
cdef void check_host(checker_t* checker, host_t* host) noexcept nogil
