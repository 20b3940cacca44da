"""host_t: everything one stack owns; made and freed here."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.impairment cimport impair_t
from netcore.ip.error_rate cimport error_rate_t
from netcore.ip.fragments cimport fragments_t
from netcore.ip.identification cimport identifications_t
from netcore.ip.routes cimport interface_t
from netcore.neighbors cimport neighbors_t
from netcore.posix cimport pthread_mutex_t
from netcore.storage.captures cimport captures_t
from netcore.storage.frames cimport frame_queue_t
from netcore.storage.replies cimport packet_t, replies_t
from netcore.tcp.tcb cimport endpoint_t, transport_t
from netcore.tcp.tunables cimport tunables_t

# where frames come from and go to
cdef struct device_t:
    # a descriptor, or -1: frames are handed in and fetched
    int descriptor
    bint vnet_header
    bint offloads
    # frames that wait to be fetched (descriptor -1), with their virtio header if there is one
    frame_queue_t outgoing
    captures_t captures
    impair_t* inbound
    impair_t* outbound
    # a simulator's: frames that leave go onto it at once
    impair_t* link
    uint64_t reads
    uint64_t writes
    uint64_t write_errors

# a packet that leaves in fragments; chunk NULL: there is none
cdef struct cutting_t:
    packet_t packet
    uint64_t destination_mac
    # octets of a fragment's payload, a multiple of 8, and of the packet's that have left
    uint32_t size
    uint32_t offset

cdef struct host_t:
    transport_t transport
    interface_t interface
    neighbors_t neighbors
    replies_t replies
    device_t device
    # one lock a host, behind a turnstile so that a busy loop cannot shut callers out
    pthread_mutex_t turnstile
    pthread_mutex_t lock
    # a simulator drives it
    bint simulated
    # live: time is the monotonic clock, else the last one handed in
    bint live
    int64_t now
    # the loop's descriptor to wake it by (-1: no loop), and until when it sleeps; 0: it is awake
    int wake_descriptor
    int64_t sleeping_until
    fragments_t fragments
    cutting_t cutting
    identifications_t identifications
    error_rate_t error_rate
    # endpoints whose handle died without letting go, pushed without the lock
    endpoint_t* released

# `seed` of `length` bytes is spread over every secret. NULL when there is no memory.
cdef host_t* host_open(const tunables_t* tunables, const interface_t* interface, const uint8_t* seed, size_t length,
                       bint vnet_header, bint offloads) noexcept nogil
# Nothing may use the host any more.
cdef void host_close(host_t* host) noexcept nogil
