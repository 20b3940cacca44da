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
from netcore.storage.links cimport list_t
from netcore.storage.replies cimport packet_t, replies_t
from netcore.tcp.tcb cimport endpoint_t, tcb_t, transport_t, waiter_t
from netcore.tcp.tunables cimport tunables_t

# Where the text that a thread waits for may be read to, past the queue of its connection.
cdef struct landing_t:
    # where the handle keeps its connection; NULL there: it was closed
    tcb_t** slot
    uint8_t* octets
    uint64_t length
    # of them: text that is the connection's
    uint64_t filled

# Who drives a live host: one thread at a time reads the device and carries out what is due. All under the lock.
cdef struct lead_t:
    # NULL: nobody. A caller that waits, or `helper`
    waiter_t* leader
    # the loop's own thread, for when no caller waits; its descriptor is -1 without a loop
    waiter_t helper
    # callers that sleep while another leads
    list_t followers
    # how often a caller has taken the lead, and when it last did
    uint64_t turns
    int64_t since
    # callers lead all the time: the helper sleeps until it is told
    bint helper_rests
    # When a caller last gave the lead back, and how long nobody has it then on average (ns).
    int64_t left
    int64_t absence
    # ns that a leader goes on looking for frames before it sleeps
    int64_t busy_poll
    bint lost
    # rests that ended, and batches
    uint64_t wakeups
    uint64_t batches

# Who in the kernel carries on what is written to the device (receive_thread).
cdef struct receive_thread_t:
    # takes "1" and "0"; -1: there is no choice
    int switch_descriptor
    bint on
    # looks in a row at which little had passed
    int calm
    # when it last looked, and octets read and written since
    int64_t looked_at
    uint64_t octets

# where frames come from and go to
cdef struct device_t:
    # a descriptor, or -1: frames are handed in and fetched
    int descriptor
    bint vnet_header
    bint offloads
    # frames that wait to be fetched (descriptor -1), with their virtio header if there is one
    frame_queue_t outgoing
    captures_t captures
    # of the thread that leads; NULL: it wants no text
    landing_t* landing
    impair_t* inbound
    impair_t* outbound
    # a simulator's: frames that leave go onto it at once
    impair_t* link
    receive_thread_t thread
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
    lead_t lead
    # until when who leads sleeps; 0: awake, or nobody leads
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
