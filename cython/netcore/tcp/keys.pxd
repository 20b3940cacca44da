"""The keys that peers share with this host (RFC 2385, RFC 5925 3.1's master key tuples), and what a connection uses."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from netcore.storage.links cimport link_t, list_t
from netcore.storage.slab cimport slab_t
from netcore.wire.address cimport address_t

cdef enum Algorithm:
    SIGN_MD5 = 1
    # RFC 5926 3.1, each with its derivation of traffic keys
    SIGN_HMAC_SHA1 = 2
    SIGN_AES_CMAC = 3

# by what find_key chooses among keys of equally exact peers
cdef enum Choice:
    KEY_ANY = 0
    # TCP-AO only: the identifier that the peer puts into what it sends; ours in what we send
    KEY_RECEIVED = 1
    KEY_SENT = 2

cdef enum KeyRefusal:
    KEY_ADDED = 0
    # as many as a host may have
    KEY_TOO_MANY = 1
    # another of the same peer and ports cannot be told from it
    KEY_CONFLICT = 2
    KEY_NO_MEMORY = 3

cdef enum:
    KEYS_MOST = 1024
    # as the kernel has it for MD5
    SECRET_MOST = 80
    # octets of every segment that a signature takes, with what aligns the text behind it
    MD5_ROOM = 20
    AO_ROOM = 16

cdef struct key_t:
    link_t link
    # unlike any other's of this host, ever; 0 is none's
    uint32_t number
    # connections that use it; it is freed when it is removed and these are gone
    uint32_t users
    bint removed
    Algorithm algorithm
    address_t peer
    # bits of `peer` that count, of 128
    uint8_t prefix
    # RFC 5925 3.1: identifiers in what we send and in what we receive
    uint8_t send_id
    uint8_t receive_id
    # RFC 5925 3.1's flag: options other than TCP-AO are covered as well
    bint covers_options
    # RFC 5925 7.8: ICMP errors are believed all the same
    bint believes_icmp
    # 0: any
    uint16_t local_port
    uint16_t remote_port
    uint8_t secret_length
    uint8_t secret[80]

cdef struct keys_t:
    # in the order in which they were added
    list_t known
    # known ones, and removed ones that connections still use: nothing is signed or checked when there are none
    slab_t slab
    uint32_t last_number

# RFC 5925 5.2's Traffic_Key of one direction; valid for what it was derived from
cdef struct traffic_t:
    uint32_t number
    uint32_t source_isn
    uint32_t destination_isn
    uint8_t octets[20]

# RFC 5925 6.2: the upper half of 64-bit sequence numbers at `reference`, which follows the connection
cdef struct extension_t:
    uint32_t reference
    uint32_t upper

# what a signed connection has beside its tcb, and then beside its TIME-WAIT record
cdef struct signature_t:
    keys_t* keys
    # RFC 5925 7.3: Current_key, with which we sign, and Rnext_key, which we ask the peer to use. MD5 has one
    key_t* current
    key_t* next
    traffic_t sending
    traffic_t receiving
    extension_t sent
    extension_t received
    # for TIME-WAIT
    uint32_t local_isn
    uint32_t remote_isn
    # octets of each segment
    uint8_t room

cdef void keys_open(keys_t* keys) noexcept nogil
cdef void keys_close(keys_t* keys) noexcept nogil
# A copy joins the table; its number, or 0 with the reason.
cdef uint32_t add_key(keys_t* keys, const key_t* wanted, KeyRefusal* refusal) noexcept nogil
# New connections do not find it any more; those that use it go on with it. False: there is none of that number.
cdef bint remove_key(keys_t* keys, uint32_t number) noexcept nogil
# The key of a peer: the longest prefix first, then the one that names more ports, then the oldest; NULL.
cdef key_t* find_key(keys_t* keys, const address_t* peer, uint16_t local_port, uint16_t remote_port, Choice choice,
                     uint8_t id) noexcept nogil
cdef void hold_key(key_t* key) noexcept nogil
cdef void release_key(keys_t* keys, key_t* key) noexcept nogil
