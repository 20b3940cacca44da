"""How many ICMP errors may be sent (RFC 1812 4.3.2.8): a bucket of tokens for each destination, and one for all.

A bucket is the time at which it would be full again. Destinations share buckets by a keyed hash. What the bucket of all
holds is left vague by drawing more than a token at times: who could count its tokens from afar would learn from them
which of his forged packets were answered.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.storage.siphash cimport hash_key_t, siphash
from netcore.tcp.tunables cimport tunables_t

cdef enum:
    RATE_BUCKETS = 256

cdef struct error_rate_t:
    hash_key_t key
    uint64_t drawn
    int64_t full_at[256]
    int64_t all_full_at


cdef inline bint is_token_left(int64_t full_at, int64_t interval, int64_t burst, int64_t now) noexcept nogil:
    return full_at - now <= (burst - 1) * interval


cdef inline bint take_token(error_rate_t* rate, uint32_t destination, const tunables_t* tunables,
                            int64_t now) noexcept nogil:
    """False: nothing may be sent to this destination now."""
    cdef uint64_t word = destination
    cdef int64_t* mine = &rate.full_at[siphash(&rate.key, &word, 1) % RATE_BUCKETS]
    if (not is_token_left(mine[0], tunables.icmp_interval, tunables.icmp_burst, now)
            or not is_token_left(rate.all_full_at, tunables.icmp_interval_of_all, tunables.icmp_burst_of_all, now)):
        return False
    mine[0] = (mine[0] if mine[0] > now else now) + tunables.icmp_interval
    rate.drawn += 1
    word = rate.drawn << 32
    if rate.all_full_at < now:
        rate.all_full_at = now
    rate.all_full_at += (1 + <int64_t> (siphash(&rate.key, &word, 1) % 3)) * tunables.icmp_interval_of_all
    return True
