"""A switch costs some tens of us, so it is not turned back before the stream has been away for a while."""

from libc.stdint cimport int64_t
from netcore.host cimport host_t, receive_thread_t
from netcore.posix cimport write

cdef enum:
    LOOK_EVERY = 2000000
    # ns an octet: what passes faster, half a Gbit/s, is a stream
    SLOWEST_STREAM = 16
    CALM_LOOKS = 5


cdef void turn(receive_thread_t* thread, bint on) noexcept nogil:
    thread.on = on
    thread.calm = 0
    if write(thread.switch_descriptor, b"1" if on else b"0", 1) < 0:
        # the device has changed hands, or the kernel has no memory for a thread: it goes on as it is
        thread.switch_descriptor = -1


cdef void choose_receiver(host_t* host, int64_t now) noexcept nogil:
    cdef receive_thread_t* thread = &host.device.thread
    cdef int64_t passed = now - thread.looked_at
    cdef bint much
    if thread.switch_descriptor < 0 or passed < LOOK_EVERY:
        return
    much = <int64_t> thread.octets > passed // SLOWEST_STREAM
    thread.octets = 0
    thread.looked_at = now
    thread.calm = 0 if much else thread.calm + 1
    if much and not thread.on:
        turn(thread, True)
    elif thread.on and (thread.calm == CALM_LOOKS or passed > CALM_LOOKS * LOOK_EVERY):
        turn(thread, False)


cdef void let_go_of_switch(host_t* host) noexcept nogil:
    if host.device.thread.switch_descriptor >= 0 and host.device.thread.on:
        turn(&host.device.thread, False)
    host.device.thread.switch_descriptor = -1
