"""The digests of netcore/crypto for Python, built by the tests alone. Each takes its text in pieces."""

from libc.stdint cimport uint8_t
from netcore.crypto.aes cimport aes_encrypt, aes_expand, aes_t
from netcore.crypto.block_hash cimport block_hash_t
from netcore.crypto.cmac cimport cmac_begin, cmac_finish, cmac_t, cmac_update
from netcore.crypto.compare cimport same_code
from netcore.crypto.hmac_sha1 cimport hmac_begin, hmac_finish, hmac_t, hmac_update
from netcore.crypto.md5 cimport md5_begin, md5_finish, md5_update
from netcore.crypto.sha1 cimport sha1_begin, sha1_finish, sha1_update


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
