"""The digests of netcore/crypto for Python, built by the tests alone. Each takes its text in pieces."""

from libc.stdint cimport uint8_t, uint32_t
from netcore.crypto.aes cimport aes_encrypt, aes_expand, aes_t
from netcore.crypto.block_hash cimport block_hash_t
from netcore.crypto.cmac cimport cmac_begin, cmac_finish, cmac_t, cmac_update
from netcore.crypto.compare cimport same_code
from netcore.crypto.hmac_sha1 cimport hmac_begin, hmac_finish, hmac_t, hmac_update
from netcore.crypto.md5 cimport md5_begin, md5_finish, md5_update
from netcore.crypto.sha1 cimport sha1_begin, sha1_finish, sha1_update
from netcore.posix cimport memcpy, memset
from netcore.tcp.codes cimport ao_code, covered_t, derive_traffic_key, md5_code
from netcore.tcp.keys cimport SIGN_AES_CMAC, SIGN_HMAC_SHA1, SIGN_MD5, key_t
from netcore.wire.address cimport address_of_ipv4, address_t


def md5(*pieces: bytes) -> bytes:
    cdef block_hash_t state
    cdef uint8_t digest[16]
    md5_begin(&state)
    for piece in pieces:
        md5_update(&state, <const uint8_t*> <const char*> piece, len(piece))
    md5_finish(&state, digest)
    return (<char*> digest)[:16]


def sha1(*pieces: bytes) -> bytes:
    cdef block_hash_t state
    cdef uint8_t digest[20]
    sha1_begin(&state)
    for piece in pieces:
        sha1_update(&state, <const uint8_t*> <const char*> piece, len(piece))
    sha1_finish(&state, digest)
    return (<char*> digest)[:20]


def hmac_sha1(bytes key, *pieces: bytes) -> bytes:
    cdef hmac_t state
    cdef uint8_t digest[20]
    hmac_begin(&state, <const uint8_t*> <const char*> key, len(key))
    for piece in pieces:
        hmac_update(&state, <const uint8_t*> <const char*> piece, len(piece))
    hmac_finish(&state, digest)
    return (<char*> digest)[:20]


def aes(bytes key, bytes block) -> bytes:
    cdef aes_t state
    cdef uint8_t octets[16]
    cdef int i
    for i in range(16):
        octets[i] = block[i]
    aes_expand(&state, <const uint8_t*> <const char*> key)
    aes_encrypt(&state, octets)
    return (<char*> octets)[:16]


def cmac(bytes key, *pieces: bytes) -> bytes:
    cdef cmac_t state
    cdef uint8_t digest[16]
    cmac_begin(&state, <const uint8_t*> <const char*> key)
    for piece in pieces:
        cmac_update(&state, <const uint8_t*> <const char*> piece, len(piece))
    cmac_finish(&state, digest)
    return (<char*> digest)[:16]


def same(bytes one, bytes other) -> bool:
    return same_code(<const uint8_t*> <const char*> one, <const uint8_t*> <const char*> other, len(one))


cdef address_t address_of(bytes packed):
    cdef address_t address
    if len(packed) == 4:
        return address_of_ipv4(int.from_bytes(packed, "big"))
    address.high = int.from_bytes(packed[:8], "big")
    address.low = int.from_bytes(packed[8:], "big")
    return address


cdef key_t key_of(str algorithm, bytes secret, bint covers_options):
    cdef key_t key
    memset(&key, 0, sizeof(key))
    key.algorithm = {"md5": SIGN_MD5, "hmac-sha-1-96": SIGN_HMAC_SHA1, "aes-128-cmac-96": SIGN_AES_CMAC}[algorithm]
    key.secret_length = len(secret)
    key.covers_options = covers_options
    memcpy(key.secret, <const char*> secret, len(secret))
    return key


def traffic_key(str algorithm, bytes secret, tuple addresses, tuple ports, tuple isns) -> bytes:
    cdef uint8_t traffic[20]
    cdef key_t key = key_of(algorithm, secret, True)
    cdef address_t source = address_of(addresses[0])
    cdef address_t destination = address_of(addresses[1])
    derive_traffic_key(&key, &source, ports[0], &destination, ports[1], isns[0], isns[1], traffic)
    return (<char*> traffic)[:20 if algorithm == "hmac-sha-1-96" else 16]


def code(str algorithm, bytes secret, bytes traffic, uint32_t upper, tuple addresses, bytes segment, int option_at,
         bint covers_options) -> bytes:
    """Of a whole TCP segment; for MD5 `secret` counts, else `traffic`."""
    cdef covered_t covered
    cdef uint8_t octets[16]
    cdef uint8_t padded[20]
    cdef key_t key = key_of(algorithm, secret, covers_options)
    cdef const uint8_t* begin = <const uint8_t*> <const char*> segment
    memset(padded, 0, 20)
    memcpy(padded, <const char*> traffic, len(traffic))
    covered.source = address_of(addresses[0])
    covered.destination = address_of(addresses[1])
    covered.header = begin
    covered.header_length = (begin[12] >> 4) * 4
    covered.option_at = option_at
    covered.text_length = len(segment) - covered.header_length
    covered.count = 1
    covered.pieces[0].iov_base = <void*> (begin + covered.header_length)
    covered.pieces[0].iov_len = covered.text_length
    if algorithm == "md5":
        md5_code(&key, &covered, octets)
        return (<char*> octets)[:16]
    ao_code(&key, padded, upper, &covered, octets)
    return (<char*> octets)[:12]
