"""ICMP errors that tell of a connection's own segments.

TCPX-4, TCPX-5; RFC 1122 4.2.3.9, RFC 5461, RFC 5925 7.8, RFC 5927.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from netcore.tcp.tcb cimport transport_t
from netcore.wire.address cimport address_t

# what an error quotes of the packet that it is about, and the next hop's MTU (bytes, 0: not said)
cdef struct quoted_t:
    address_t local
    address_t remote
    uint16_t local_port
    uint16_t remote_port
    uint32_t seq
    uint16_t packet_length
    uint32_t mtu

# An error of that type and code has come, its quotation complete up to the sequence number.
cdef void error_arrives(transport_t* transport, const quoted_t* quoted, uint8_t kind, uint8_t code,
                        int64_t now) noexcept nogil
