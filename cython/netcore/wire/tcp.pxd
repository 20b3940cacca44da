"""TCP segments: header (RFC 9293 3.1) and options (RFC 9293 3.2, RFC 7323, RFC 2018, RFC 2385, RFC 5925)."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from netcore.posix cimport memcpy
from netcore.wire.address cimport address_t
from netcore.wire.octets cimport load16, load32, store16, store32

cdef enum:
    TCP_HEADER_LENGTH = 20
    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    URG = 0x20
    ECE = 0x40
    CWR = 0x80
    # RFC 9768 3.1; the last of the once reserved bits
    AE = 0x100
    OPTION_END = 0
    OPTION_NOP = 1
    OPTION_MSS = 2
    OPTION_WINDOW_SCALE = 3
    OPTION_SACK_PERMITTED = 4
    OPTION_SACK = 5
    OPTION_TIMESTAMPS = 8
    OPTION_MD5 = 19
    OPTION_USER_TIMEOUT = 28
    OPTION_AO = 29
    OPTION_FAST_OPEN = 34
    OPTIONS_MOST = 40
    USER_TIMEOUT_LENGTH = 4
    MD5_OPTION_LENGTH = 18
    # KeyID, RNextKeyID and a code of 96 bits, as RFC 5926 has them
    AO_OPTION_LENGTH = 16
    MINIMUM_MSS = 64
    SACK_BLOCKS_MOST = 4
    # NOP, NOP, kind 8, length 10 (RFC 7323 appendix A)
    TIMESTAMPS_ALONE = 0x0101080a

cdef struct segment_t:
    # addressing, as seen by the receiver of the segment
    address_t source
    address_t destination
    uint16_t source_port
    uint16_t destination_port
    # RFC 9293 3.3.1: SEG variables; seg_len counts text, SYN and FIN
    uint32_t seq
    uint32_t ack
    uint32_t seg_len
    uint32_t wnd
    uint16_t up
    uint16_t flags
    # options
    bint has_mss
    bint has_window_scale
    bint has_timestamps
    bint sack_permitted
    uint16_t mss
    uint8_t window_scale
    uint32_t tsval
    uint32_t tsecr
    # RFC 5482: the granularity bit and 15 bits of time; 0: none
    uint16_t user_timeout
    # RFC 7413 2: a cookie of 4 to 16 octets in the segment, or 0: one is asked for
    bint has_fast_open
    uint8_t cookie_length
    const uint8_t* cookie
    # RFC 2018: blocks start..end, as many as the option holds
    uint32_t sack_count
    uint32_t sack_start[4]
    uint32_t sack_end[4]
    # the IP header's ECN field (RFC 3168)
    uint8_t ecn
    # how many options sign it (RFC 2385, RFC 5925), and the last of them, inside the header
    uint8_t signatures
    const uint8_t* signature
    const uint8_t* header
    # text
    const uint8_t* text
    uint32_t text_length
    # how many segments of the wire this superframe stands for
    uint32_t wire_segments


cdef inline bint parse_options(const uint8_t* octets, uint32_t length, segment_t* seg) noexcept nogil:
    """SEG-13: unknown kinds are skipped; a length of 0, 1 or past the header makes the whole segment bad."""
    cdef uint32_t at = 0
    cdef uint8_t kind, size
    while at < length:
        kind = octets[at]
        if kind == OPTION_END:
            return True
        if kind == OPTION_NOP:
            at += 1
            continue
        if at + 1 >= length:
            return False
        size = octets[at + 1]
        if size < 2 or at + size > length:
            return False
        if kind == OPTION_MSS and size == 4:
            seg.has_mss = True
            seg.mss = load16(octets + at + 2)
        elif kind == OPTION_WINDOW_SCALE and size == 3:
            seg.has_window_scale = True
            # RFC 7323 2.3: a shift above 14 is taken as 14
            seg.window_scale = octets[at + 2] if octets[at + 2] < 14 else 14
        elif kind == OPTION_SACK_PERMITTED and size == 2:
            seg.sack_permitted = True
        elif kind == OPTION_TIMESTAMPS and size == 10:
            seg.has_timestamps = True
            seg.tsval = load32(octets + at + 2)
            seg.tsecr = load32(octets + at + 6)
        elif kind == OPTION_SACK and size >= 10 and (size - 2) % 8 == 0:
            seg.sack_count = 0
            while seg.sack_count < SACK_BLOCKS_MOST and 2 + 8 * seg.sack_count < size:
                seg.sack_start[seg.sack_count] = load32(octets + at + 2 + 8 * seg.sack_count)
                seg.sack_end[seg.sack_count] = load32(octets + at + 6 + 8 * seg.sack_count)
                seg.sack_count += 1
        elif kind == OPTION_MD5 or kind == OPTION_AO:
            seg.signatures += 1
            seg.signature = octets + at
        elif kind == OPTION_USER_TIMEOUT and size == 4:
            seg.user_timeout = load16(octets + at + 2)
        elif kind == OPTION_FAST_OPEN and (size == 2 or (6 <= size <= 18 and size % 2 == 0)):
            seg.has_fast_open = True
            seg.cookie_length = size - 2
            seg.cookie = octets + at + 2
        at += size
    return True


cdef inline bint parse_tcp(const uint8_t* octets, uint32_t length, segment_t* seg) noexcept nogil:
    """Reads `length` octets of a TCP segment; False when header or options are malformed. Addresses: the caller."""
    cdef uint32_t header_length
    if length < TCP_HEADER_LENGTH:
        return False
    header_length = (octets[12] >> 4) * 4
    if header_length < TCP_HEADER_LENGTH or header_length > length:
        return False
    seg.source_port = load16(octets)
    seg.destination_port = load16(octets + 2)
    seg.seq = load32(octets + 4)
    seg.ack = load32(octets + 8)
    seg.flags = octets[13] | (octets[12] & 1) << 8
    seg.wnd = load16(octets + 14)
    seg.up = load16(octets + 18)
    seg.has_mss = seg.has_window_scale = seg.has_timestamps = seg.sack_permitted = False
    seg.mss = 0
    seg.window_scale = 0
    seg.tsval = seg.tsecr = 0
    seg.user_timeout = 0
    seg.has_fast_open = False
    seg.sack_count = 0
    seg.ecn = 0
    seg.signatures = 0
    seg.signature = NULL
    seg.header = octets
    if header_length == TCP_HEADER_LENGTH + 12 and load32(octets + 20) == TIMESTAMPS_ALONE:
        # the options of nearly every segment
        seg.has_timestamps = True
        seg.tsval = load32(octets + 24)
        seg.tsecr = load32(octets + 28)
    elif header_length > TCP_HEADER_LENGTH:
        if not parse_options(octets + TCP_HEADER_LENGTH, header_length - TCP_HEADER_LENGTH, seg):
            return False
    seg.text = octets + header_length
    seg.text_length = length - header_length
    seg.seg_len = seg.text_length + (1 if seg.flags & SYN else 0) + (1 if seg.flags & FIN else 0)
    seg.wire_segments = 1
    return True


cdef inline void build_tcp(uint8_t* octets, uint16_t source_port, uint16_t destination_port, uint32_t seq, uint32_t ack,
                           uint8_t header_length, uint16_t flags, uint16_t wnd, uint16_t up) noexcept nogil:
    """The fixed 20 octets; options follow at octets + 20; the checksum field is left 0."""
    store32(octets, <uint32_t> source_port << 16 | destination_port)
    store32(octets + 4, seq)
    store32(octets + 8, ack)
    store32(octets + 12, <uint32_t> (header_length // 4) << 28 | <uint32_t> flags << 16 | wnd)
    store32(octets + 16, up)


cdef inline uint32_t sum_tcp_fields(uint16_t source_port, uint16_t destination_port, uint32_t seq, uint32_t ack,
                                    uint8_t header_length, uint16_t flags, uint16_t wnd, uint16_t up) noexcept nogil:
    """The sum of what build_tcp writes, as words in host order."""
    return (<uint32_t> source_port + destination_port + (seq >> 16) + (seq & 0xffff) + (ack >> 16) + (ack & 0xffff)
            + ((header_length // 4) << 12 | flags) + wnd + up)


cdef inline uint8_t put_mss(uint8_t* octets, uint16_t mss) noexcept nogil:
    octets[0] = OPTION_MSS
    octets[1] = 4
    store16(octets + 2, mss)
    return 4


cdef inline uint8_t put_window_scale(uint8_t* octets, uint8_t shift) noexcept nogil:
    octets[0] = OPTION_NOP
    octets[1] = OPTION_WINDOW_SCALE
    octets[2] = 3
    octets[3] = shift
    return 4


cdef inline uint8_t put_sack_permitted(uint8_t* octets, uint32_t filling) noexcept nogil:
    """With `filling` (0 or 2) NOPs in front."""
    octets[0] = octets[1] = OPTION_NOP
    octets[filling] = OPTION_SACK_PERMITTED
    octets[filling + 1] = 2
    return <uint8_t> (filling + 2)


cdef inline uint8_t put_sack(uint8_t* octets, uint32_t count, uint32_t filling) noexcept nogil:
    """The head of an option of `count` blocks, which follow behind it; its length with `filling` (0 or 2) NOPs."""
    octets[0] = octets[1] = OPTION_NOP
    octets[filling] = OPTION_SACK
    octets[filling + 1] = <uint8_t> (2 + 8 * count)
    return <uint8_t> (filling + 2 + 8 * count)


cdef inline uint8_t put_timestamps(uint8_t* octets, uint32_t tsval, uint32_t tsecr) noexcept nogil:
    """RFC 7323 appendix A: two NOPs align the option."""
    octets[0] = OPTION_NOP
    octets[1] = OPTION_NOP
    octets[2] = OPTION_TIMESTAMPS
    octets[3] = 10
    store32(octets + 4, tsval)
    store32(octets + 8, tsecr)
    return 12


cdef inline uint8_t put_user_timeout(uint8_t* octets, uint16_t value) noexcept nogil:
    """RFC 5482 3: `value` is the granularity bit and 15 bits of time."""
    octets[0] = OPTION_USER_TIMEOUT
    octets[1] = 4
    store16(octets + 2, value)
    return USER_TIMEOUT_LENGTH


cdef inline uint32_t fast_open_length(uint32_t cookie) noexcept nogil:
    """With the NOPs that put_fast_open adds."""
    return (2 + cookie + 3) // 4 * 4


cdef inline uint8_t put_fast_open(uint8_t* octets, const uint8_t* cookie, uint8_t length) noexcept nogil:
    """RFC 7413 2, with NOPs behind it up to a multiple of four; length 0 asks for a cookie."""
    cdef uint8_t size = 2 + length
    octets[0] = OPTION_FAST_OPEN
    octets[1] = size
    memcpy(octets + 2, cookie, length)
    while size % 4:
        octets[size] = OPTION_NOP
        size += 1
    return size
