"""What each code covers, in its order: extension, pseudo-header, header, text; for MD5 the key comes last."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from netcore.crypto.block_hash cimport block_hash_t
from netcore.crypto.cmac cimport cmac_begin, cmac_finish, cmac_t, cmac_update
from netcore.crypto.hmac_sha1 cimport hmac_begin, hmac_finish, hmac_t, hmac_update
from netcore.crypto.md5 cimport md5_begin, md5_finish, md5_update
from netcore.crypto.sha1 cimport SHA1_LENGTH
from netcore.posix cimport memcpy, memset
from netcore.tcp.keys cimport SIGN_HMAC_SHA1
from netcore.wire.address cimport is_ipv4, store_ipv4
from netcore.wire.ipv4 cimport PROTOCOL_TCP
from netcore.wire.octets cimport store16, store32
from netcore.wire.tcp cimport AO_OPTION_LENGTH, TCP_HEADER_LENGTH

cdef enum:
    CMAC_KEY = 16
    # of RFC 5926 3.1.1's input: i, Label, Context and Output_Length
    LABEL_AT = 1
    CONTEXT_AT = 7

cdef uint8_t[6] LABEL = [0x54, 0x43, 0x50, 0x2d, 0x41, 0x4f]

cdef union mac_t:
    hmac_t hmac
    cmac_t cmac


cdef void mac_begin(mac_t* mac, const key_t* key, const uint8_t* secret, uint64_t length) noexcept nogil:
    if key.algorithm == SIGN_HMAC_SHA1:
        hmac_begin(&mac.hmac, secret, length)
    else:
        cmac_begin(&mac.cmac, secret)


cdef void mac_update(mac_t* mac, const key_t* key, const uint8_t* octets, uint64_t length) noexcept nogil:
    if key.algorithm == SIGN_HMAC_SHA1:
        hmac_update(&mac.hmac, octets, length)
    else:
        cmac_update(&mac.cmac, octets, length)


cdef void mac_finish(mac_t* mac, const key_t* key, uint8_t* code) noexcept nogil:
    """20 octets or 16."""
    if key.algorithm == SIGN_HMAC_SHA1:
        hmac_finish(&mac.hmac, code)
    else:
        cmac_finish(&mac.cmac, code)


cdef uint32_t put_address(uint8_t* octets, const address_t* address) noexcept nogil:
    if is_ipv4(address):
        store_ipv4(octets, address)
        return 4
    store32(octets, <uint32_t> (address.high >> 32))
    store32(octets + 4, <uint32_t> address.high)
    store32(octets + 8, <uint32_t> (address.low >> 32))
    store32(octets + 12, <uint32_t> address.low)
    return 16


cdef uint32_t put_pseudo_header(uint8_t* octets, const covered_t* covered) noexcept nogil:
    """As the checksum has it (RFC 9293 3.1, RFC 8200 8.1); 40 octets at most."""
    cdef uint32_t at = put_address(octets, &covered.source)
    cdef uint32_t length = covered.header_length + covered.text_length
    at += put_address(octets + at, &covered.destination)
    if at == 8:
        octets[8] = 0
        octets[9] = PROTOCOL_TCP
        store16(octets + 10, <uint16_t> length)
        return 12
    store32(octets + at, length)
    store32(octets + at + 4, PROTOCOL_TCP)
    return at + 8


cdef void derive_traffic_key(const key_t* key, const address_t* source, uint16_t source_port,
                             const address_t* destination, uint16_t destination_port, uint32_t source_isn,
                             uint32_t destination_isn, uint8_t* traffic) noexcept nogil:
    cdef uint8_t text[64]
    cdef uint8_t secret[16]
    cdef uint32_t at = CONTEXT_AT
    cdef mac_t mac
    text[0] = 1
    memcpy(text + LABEL_AT, LABEL, sizeof(LABEL))
    at += put_address(text + at, source)
    at += put_address(text + at, destination)
    store16(text + at, source_port)
    store16(text + at + 2, destination_port)
    store32(text + at + 4, source_isn)
    store32(text + at + 8, destination_isn)
    store16(text + at + 12, 8 * (SHA1_LENGTH if key.algorithm == SIGN_HMAC_SHA1 else CMAC_KEY))
    at += 14
    if key.algorithm == SIGN_HMAC_SHA1 or key.secret_length == CMAC_KEY:
        mac_begin(&mac, key, key.secret, key.secret_length)
    else:
        # RFC 5926 3.1.1.2: a secret of another length is made one of 16 octets
        memset(secret, 0, CMAC_KEY)
        cmac_begin(&mac.cmac, secret)
        cmac_update(&mac.cmac, key.secret, key.secret_length)
        cmac_finish(&mac.cmac, secret)
        cmac_begin(&mac.cmac, secret)
    mac_update(&mac, key, text, at)
    mac_finish(&mac, key, traffic)


cdef void md5_code(const key_t* key, const covered_t* covered, uint8_t* code) noexcept nogil:
    """RFC 2385 2.0: the header without options, its checksum zero."""
    cdef block_hash_t state
    cdef uint8_t octets[64]
    cdef uint32_t at = put_pseudo_header(octets, covered)
    cdef int i
    memcpy(octets + at, covered.header, TCP_HEADER_LENGTH)
    store16(octets + at + 16, 0)
    md5_begin(&state)
    md5_update(&state, octets, at + TCP_HEADER_LENGTH)
    for i in range(covered.count):
        md5_update(&state, <const uint8_t*> covered.pieces[i].iov_base, covered.pieces[i].iov_len)
    md5_update(&state, key.secret, key.secret_length)
    md5_finish(&state, code)


cdef void ao_code(const key_t* key, const uint8_t* traffic, uint32_t upper, const covered_t* covered,
                  uint8_t* code) noexcept nogil:
    """RFC 5925 5.1: with all options, or TCP-AO alone, the code in it zero like the checksum."""
    cdef mac_t mac
    cdef uint8_t octets[112]
    cdef uint8_t whole[20]
    cdef uint32_t at = 4
    cdef uint32_t option_at = covered.option_at
    cdef int i
    store32(octets, upper)
    at += put_pseudo_header(octets + at, covered)
    memcpy(octets + at, covered.header, TCP_HEADER_LENGTH)
    store16(octets + at + 16, 0)
    if key.covers_options:
        memcpy(octets + at + TCP_HEADER_LENGTH, covered.header + TCP_HEADER_LENGTH,
               covered.header_length - TCP_HEADER_LENGTH)
    else:
        memcpy(octets + at + TCP_HEADER_LENGTH, covered.header + option_at, AO_OPTION_LENGTH)
        option_at = TCP_HEADER_LENGTH
    memset(octets + at + option_at + AO_OPTION_LENGTH - AO_CODE, 0, AO_CODE)
    at += covered.header_length if key.covers_options else TCP_HEADER_LENGTH + AO_OPTION_LENGTH
    mac_begin(&mac, key, traffic, SHA1_LENGTH)
    mac_update(&mac, key, octets, at)
    for i in range(covered.count):
        mac_update(&mac, key, <const uint8_t*> covered.pieces[i].iov_base, covered.pieces[i].iov_len)
    mac_finish(&mac, key, whole)
    memcpy(code, whole, AO_CODE)
