"""The core's digests against published vectors and the libraries (RFC 1321, FIPS 180, RFC 2202, FIPS 197, RFC 4493)."""

import hashlib
import hmac
import random
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

pytestmark = pytest.mark.requirement("TCPX-7")

LENGTHS = [*range(140), 1000, 4096, 65535]
CMAC_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
CMAC_TEXT = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)


def pieces_of(octets: bytes, draw: random.Random) -> list[bytes]:
    """The octets cut anywhere, with pieces of none among them."""
    cuts = sorted(draw.randrange(len(octets) + 1) for _ in range(draw.randrange(6)))
    return [octets[start:end] for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True)]


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (b"", "d41d8cd98f00b204e9800998ecf8427e"),
        (b"a", "0cc175b9c0f1b6a831c399e269772661"),
        (b"abc", "900150983cd24fb0d6963f7d28e17f72"),
        (b"message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        (b"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
        (b"1234567890" * 8, "57edf4a22be3c955ac49da2e2107b67a"),
    ],
)
def test_text_of_rfc_1321_has_its_md5(digests: ModuleType, text: bytes, digest: str) -> None:
    assert digests.md5(text).hex() == digest


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
        ),
        (b"a" * 1_000_000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
    ],
)
def test_text_of_fips_180_has_its_sha1(digests: ModuleType, text: bytes, digest: str) -> None:
    assert digests.sha1(text).hex() == digest


def test_block_of_fips_197_is_enciphered(digests: ModuleType) -> None:
    key, block = bytes(range(16)), bytes.fromhex("00112233445566778899aabbccddeeff")
    assert digests.aes(key, block).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"


@pytest.mark.parametrize(
    ("length", "code"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_text_of_rfc_4493_has_its_cmac(digests: ModuleType, length: int, code: str) -> None:
    assert digests.cmac(CMAC_KEY, CMAC_TEXT[:length]).hex() == code


@pytest.mark.parametrize(
    ("key", "text", "code"),
    [
        (b"\x0b" * 20, b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
        (b"Jefe", b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        (
            b"\xaa" * 80,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "aa4ae5e15272d00e95705637ce8a3b55ed402112",
        ),
    ],
)
def test_text_of_rfc_2202_has_its_hmac(digests: ModuleType, key: bytes, text: bytes, code: str) -> None:
    assert digests.hmac_sha1(key, text).hex() == code


@pytest.mark.parametrize("seed", range(4))
def test_text_in_pieces_has_the_digest_of_the_library(digests: ModuleType, seed: int) -> None:
    draw = random.Random(seed)
    for length in LENGTHS:
        text = draw.randbytes(length)
        key = draw.randbytes(draw.choice([0, 1, 16, 20, 63, 64, 65, 80]))
        cipher_key = draw.randbytes(16)
        reference = CMAC(algorithms.AES(cipher_key))
        reference.update(text)
        assert digests.md5(*pieces_of(text, draw)) == hashlib.md5(text).digest(), length
        assert digests.sha1(*pieces_of(text, draw)) == hashlib.sha1(text).digest(), length
        assert digests.hmac_sha1(key, *pieces_of(text, draw)) == hmac.digest(key, text, "sha1"), length
        assert digests.cmac(cipher_key, *pieces_of(text, draw)) == reference.finalize(), length


def test_random_blocks_are_enciphered_as_by_the_library(digests: ModuleType) -> None:
    draw = random.Random(5)
    for _ in range(300):
        key, block = draw.randbytes(16), draw.randbytes(16)
        encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        assert digests.aes(key, block) == encryptor.update(block) + encryptor.finalize()


def test_codes_that_differ_in_one_bit_are_not_the_same(digests: ModuleType) -> None:
    code = bytes(range(12))
    assert digests.same(code, code)
    for bit in range(96):
        changed = (int.from_bytes(code, "big") ^ 1 << bit).to_bytes(12, "big")
        assert not digests.same(code, changed), bit
