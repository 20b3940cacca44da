"""ICMP for IPv4 (RFC 792, RFC 1122 3.2.2): echo is answered, errors are sent and counted."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from netcore.host cimport host_t
from netcore.wire.ipv4 cimport ipv4_t

# An ICMP message of `length` octets behind the header.
cdef void icmp_arrives(host_t* host, const ipv4_t* header, const uint8_t* octets, uint32_t length) noexcept nogil
# Destination unreachable for the packet that begins at `packet`, its header and 8 octets quoted; at a bounded rate.
cdef void send_unreachable(host_t* host, const ipv4_t* header, const uint8_t* packet, uint8_t code,
                           int64_t now) noexcept nogil
