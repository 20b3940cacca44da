"""Loads and stores in network byte order, at any alignment; host order on the C side."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef inline uint16_t load16(const uint8_t* octets) noexcept nogil:
    return <uint16_t> ((octets[0] << 8) | octets[1])


cdef inline uint32_t load32(const uint8_t* octets) noexcept nogil:
    return ((<uint32_t> octets[0] << 24) | (<uint32_t> octets[1] << 16)
            | (<uint32_t> octets[2] << 8) | <uint32_t> octets[3])


cdef inline void store16(uint8_t* octets, uint16_t value) noexcept nogil:
    octets[0] = <uint8_t> (value >> 8)
    octets[1] = <uint8_t> value


cdef inline void store32(uint8_t* octets, uint32_t value) noexcept nogil:
    octets[0] = <uint8_t> (value >> 24)
    octets[1] = <uint8_t> (value >> 16)
    octets[2] = <uint8_t> (value >> 8)
    octets[3] = <uint8_t> value
