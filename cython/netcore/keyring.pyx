"""Keyring: the keys with which a host and its peers sign TCP segments (RFC 2385, RFC 5925)."""

cimport cython
import ipaddress
from libc.stdint cimport uint8_t, uint32_t
from netcore.drive cimport HostHandle, enter, unlock
from netcore.endpoint cimport Endpoint, pack_address
from netcore.posix cimport free, malloc, memcpy, memset
from netcore.storage.links cimport link_t
from netcore.tcp.keys cimport (
    KEYS_MOST, KEY_CONFLICT, KEY_NO_MEMORY, KEY_TOO_MANY, SECRET_MOST, SIGN_AES_CMAC, SIGN_HMAC_SHA1, SIGN_MD5,
    KeyRefusal, add_key, key_t, remove_key,
)
from netcore.tcp.signature cimport request_key
from netcore.wire.address cimport address_of_ipv4

cdef dict ALGORITHMS = {"hmac-sha-1-96": SIGN_HMAC_SHA1, "aes-128-cmac-96": SIGN_AES_CMAC}
cdef dict NAMES = {SIGN_MD5: "md5", SIGN_HMAC_SHA1: "hmac-sha-1-96", SIGN_AES_CMAC: "aes-128-cmac-96"}


cdef object number_argument(str name, object value, object most):
    if not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{name} is {value!r}, but must be a whole number from 0 to {most}")
    return value


cdef int begin_key(key_t* key, object peer, object secret, object local_port, object remote_port) except -1:
    """Whose key it is, and the secret, which stands in no message."""
    cdef bytes octets
    try:
        network = ipaddress.IPv4Network(peer)
    except ValueError as error:
        raise ValueError(f"peer is {peer!r}, but must be an address or prefix such as 10.0.0.0/24: {error}") from None
    if not isinstance(secret, (bytes, bytearray, memoryview)):
        raise TypeError(f"the secret is a {type(secret).__name__}, but must be bytes")
    if not 0 < len(secret) <= SECRET_MOST:
        raise ValueError(f"the secret has {len(secret)} bytes, but must have 1 to {SECRET_MOST}")
    octets = bytes(secret)
    memset(key, 0, sizeof(key_t))
    key.peer = address_of_ipv4(int(network.network_address))
    key.prefix = 96 + network.prefixlen
    key.local_port = number_argument("local_port", local_port, 65535)
    key.remote_port = number_argument("remote_port", remote_port, 65535)
    key.secret_length = <uint8_t> len(secret)
    memcpy(key.secret, <const char*> octets, key.secret_length)
    return 0


cdef dict describe(const key_t* key):
    described = {
        "number": key.number, "algorithm": NAMES[key.algorithm],
        "peer": f"{ipaddress.IPv4Address(pack_address(&key.peer))}/{key.prefix - 96}",
        "local_port": key.local_port, "remote_port": key.remote_port, "in_use": key.users != 0,
    }
    if key.algorithm != SIGN_MD5:
        described.update(send_id=key.send_id, receive_id=key.receive_id, cover_options=bool(key.covers_options),
                         believe_icmp=bool(key.believes_icmp))
    return described


@cython.final
cdef class Keyring:
    """The keys of an engine."""

    def __cinit__(self, HostHandle engine not None):
        self.owner = engine

    def add_md5(self, peer: str, secret, *, local_port: int = 0, remote_port: int = 0) -> int:
        """A key of RFC 2385; its number."""
        cdef key_t key
        begin_key(&key, peer, secret, local_port, remote_port)
        key.algorithm = SIGN_MD5
        return self.add(&key)

    def add_ao(self, peer: str, secret, *, send_id: int, receive_id: int, algorithm: str = "hmac-sha-1-96",
               cover_options: bool = True, believe_icmp: bool = False, local_port: int = 0,
               remote_port: int = 0) -> int:
        """A master key tuple of RFC 5925; its number."""
        cdef key_t key
        if algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm is {algorithm!r}, but must be one of {', '.join(ALGORITHMS)}")
        begin_key(&key, peer, secret, local_port, remote_port)
        key.algorithm = ALGORITHMS[algorithm]
        key.send_id = number_argument("send_id", send_id, 255)
        key.receive_id = number_argument("receive_id", receive_id, 255)
        key.covers_options = cover_options
        key.believes_icmp = believe_icmp
        return self.add(&key)

    cdef object add(self, key_t* key):
        cdef KeyRefusal refusal
        cdef uint32_t number
        with nogil:
            enter(self.owner.host)
            number = add_key(&self.owner.host.transport.keys, key, &refusal)
            unlock(self.owner.host)
        memset(key.secret, 0, SECRET_MOST)
        if refusal == KEY_TOO_MANY:
            raise ValueError(f"there are {KEYS_MOST} keys already, which is the most that a host takes: remove one")
        if refusal == KEY_CONFLICT:
            told = describe(key)
            raise ValueError(f"a key for {told['peer']} and these ports is there already that cannot be told from this "
                             f"one ({told['algorithm']}): remove it, or choose other identifiers")
        if refusal == KEY_NO_MEMORY:
            raise MemoryError
        return number

    def remove(self, number: int) -> None:
        """New connections do not use the key any more."""
        cdef uint32_t wanted = number_argument("number", number, 0xffffffff)
        cdef bint removed
        with nogil:
            enter(self.owner.host)
            removed = remove_key(&self.owner.host.transport.keys, wanted)
            unlock(self.owner.host)
        if not removed:
            raise ValueError(f"there is no key number {number}")

    def list(self) -> list[dict]:
        """What can be told of each key, the oldest first."""
        cdef key_t* copies = <key_t*> malloc(KEYS_MOST * sizeof(key_t))
        cdef link_t* link
        cdef uint32_t count = 0
        cdef uint32_t i
        if copies == NULL:
            raise MemoryError
        with nogil:
            enter(self.owner.host)
            link = self.owner.host.transport.keys.known.first
            while link != NULL:
                copies[count] = (<key_t*> link.owner)[0]
                memset(copies[count].secret, 0, SECRET_MOST)
                count += 1
                link = link.next
            unlock(self.owner.host)
        try:
            return [describe(&copies[i]) for i in range(count)]
        finally:
            free(copies)

    def in_use(self, Endpoint endpoint not None) -> dict | None:
        """What a connection signs with, and what it asks its peer to sign with."""
        cdef key_t current, asked
        cdef bint signed
        with nogil:
            enter(endpoint.owner.host)
            signed = endpoint.tcb != NULL and endpoint.tcb.signature != NULL
            if signed:
                current = endpoint.tcb.signature.current[0]
                asked = endpoint.tcb.signature.next[0]
                memset(current.secret, 0, SECRET_MOST)
                memset(asked.secret, 0, SECRET_MOST)
            unlock(endpoint.owner.host)
        return {"current": describe(&current), "next": describe(&asked)} if signed else None

    def request(self, Endpoint endpoint not None, receive_id: int) -> None:
        """Asks the peer of a connection to go on with another key."""
        cdef uint8_t id = number_argument("receive_id", receive_id, 255)
        cdef bint known
        with nogil:
            enter(endpoint.owner.host)
            known = endpoint.tcb != NULL and request_key(endpoint.tcb, id)
            unlock(endpoint.owner.host)
        if not known:
            raise ValueError(f"the connection has no key of receive_id {receive_id}")
