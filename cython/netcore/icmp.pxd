"""ICMP for IPv4 (RFC 792, RFC 1122 3.2.2): echo is answered, errors are sent, counted and passed on to TCP."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from netcore.host cimport host_t
from netcore.wire.ipv4 cimport ipv4_t

# An ICMP message in the packet with that header.
cdef void icmp_arrives(host_t* host, const ipv4_t* header, const uint8_t* packet, int64_t now) noexcept nogil
# An error about the packet that begins at `packet`, its header and 8 octets quoted, at a bounded rate and where
# RFC 1122 3.2.2 allows one. rest: what stands between its checksum and the quotation.
cdef void send_error(host_t* host, const ipv4_t* header, const uint8_t* packet, uint8_t kind, uint8_t code,
                     uint32_t rest, int64_t now) noexcept nogil
# Datagrams whose fragments have not all come in time are given up (RFC 792, RFC 1122 3.3.2).
cdef void reassembly_expires(host_t* host, int64_t now) noexcept nogil
