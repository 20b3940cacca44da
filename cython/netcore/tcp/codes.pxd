"""The codes that sign a segment: RFC 2385 2.0, and RFC 5925 5 with the algorithms of RFC 5926."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from netcore.posix cimport iovec
from netcore.tcp.keys cimport key_t
from netcore.wire.address cimport address_t

cdef enum:
    # pieces of text, as many as egress takes
    COVERED_PIECES = 40
    # octets of a code on the wire
    MD5_CODE = 16
    AO_CODE = 12

# a segment: its ends, its header with options, its text
cdef struct covered_t:
    address_t source
    address_t destination
    const uint8_t* header
    uint32_t header_length
    # of the option that holds the code
    uint32_t option_at
    uint32_t text_length
    int count
    iovec pieces[40]

# RFC 5926 3.1.1: Traffic_Key of one direction, 20 octets or 16.
cdef void derive_traffic_key(const key_t* key, const address_t* source, uint16_t source_port,
                             const address_t* destination, uint16_t destination_port, uint32_t source_isn,
                             uint32_t destination_isn, uint8_t* traffic) noexcept nogil
# 16 octets.
cdef void md5_code(const key_t* key, const covered_t* covered, uint8_t* code) noexcept nogil
# 12 octets; `upper`: the sequence number extension (RFC 5925 6.2).
cdef void ao_code(const key_t* key, const uint8_t* traffic, uint32_t upper, const covered_t* covered,
                  uint8_t* code) noexcept nogil
