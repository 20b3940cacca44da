"""Initial sequence numbers (SND-1: RFC 9293 3.4.1) and timestamp offsets (TCPX-1), keyed by the host's secret."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from netcore.storage.siphash cimport hash_key_t, siphash
from netcore.wire.address cimport address_t


cdef inline uint64_t hash_four_tuple(const hash_key_t* key, const address_t* local, uint16_t local_port,
                                     const address_t* remote, uint16_t remote_port) noexcept nogil:
    cdef uint64_t words[5]
    words[0] = local.high
    words[1] = local.low
    words[2] = remote.high
    words[3] = remote.low
    words[4] = (<uint64_t> local_port << 16) | remote_port
    return siphash(key, words, 5)


cdef inline uint32_t initial_sequence(const hash_key_t* key, const address_t* local, uint16_t local_port,
                                      const address_t* remote, uint16_t remote_port, int64_t now) noexcept nogil:
    """M + F(localip, localport, remoteip, remoteport, secret), M a clock of 4 us."""
    return <uint32_t> (now // 4000) + <uint32_t> hash_four_tuple(key, local, local_port, remote, remote_port)


cdef inline uint32_t timestamp_offset(const hash_key_t* key, const address_t* local,
                                      const address_t* remote) noexcept nogil:
    """One offset for each pair of addresses, so that a peer sees one monotonic clock across its connections."""
    cdef uint64_t words[4]
    words[0] = local.high
    words[1] = local.low
    words[2] = remote.high
    words[3] = remote.low
    return <uint32_t> (siphash(key, words, 4) >> 7)
