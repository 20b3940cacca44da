"""Every foreign C declaration the core uses, in one place."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "<stdlib.h>" nogil:
    void* malloc(size_t size)
    int posix_memalign(void** block, size_t alignment, size_t size)
    void* calloc(size_t count, size_t size)
    void* realloc(void* block, size_t size)
    void free(void* block)

cdef extern from "<string.h>" nogil:
    void* memcpy(void* destination, const void* source, size_t size)
    void* memmove(void* destination, const void* source, size_t size)
    void* memset(void* destination, int value, size_t size)
    int memcmp(const void* left, const void* right, size_t size)
    int strcmp(const char* left, const char* right)

cdef extern from "<errno.h>" nogil:
    int errno
    enum:
        EAGAIN
        EINTR

cdef extern from "<unistd.h>" nogil:
    ssize_t read(int descriptor, void* buffer, size_t size)
    ssize_t write(int descriptor, const void* buffer, size_t size)
    int close(int descriptor)

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len
    ssize_t readv(int descriptor, const iovec* pieces, int count)
    ssize_t writev(int descriptor, const iovec* pieces, int count)

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    short POLLIN
    short POLLERR
    short POLLHUP
    short POLLNVAL

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int CLOCK_MONOTONIC
    int clock_gettime(int clock, timespec* time)

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <poll.h>
    #include <signal.h>
    #include <time.h>
    /* ppoll is declared only with _GNU_SOURCE, which Python.h defines. */
    static inline int poll_until(struct pollfd *set, unsigned long count, const struct timespec *timeout)
    {
        return ppoll(set, (nfds_t)count, timeout, NULL);
    }
    """
    int poll_until(pollfd* set, unsigned long count, const timespec* timeout) nogil

cdef extern from "<sys/prctl.h>" nogil:
    int PR_GET_TIMERSLACK
    int PR_SET_TIMERSLACK
    int prctl(int operation, unsigned long argument)

cdef extern from "<sys/eventfd.h>" nogil:
    int EFD_NONBLOCK
    int EFD_CLOEXEC
    int eventfd(unsigned int initial, int flags)

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    int pthread_mutex_init(pthread_mutex_t* mutex, void* attributes)
    int pthread_mutex_destroy(pthread_mutex_t* mutex)
    int pthread_mutex_lock(pthread_mutex_t* mutex)
    int pthread_mutex_unlock(pthread_mutex_t* mutex)

cdef extern from *:
    """
    #if defined(__SANITIZE_ADDRESS__)
    #define PLAIN_ALLOCATION 1
    #else
    #define PLAIN_ALLOCATION 0
    #endif
    #if defined(__SANITIZE_THREAD__)
    #define RACE_DETECTOR 1
    #else
    #define RACE_DETECTOR 0
    #endif
    #define load_acquire(pointer) __atomic_load_n(pointer, __ATOMIC_ACQUIRE)
    #define store_release(pointer, value) __atomic_store_n(pointer, value, __ATOMIC_RELEASE)
    /* a count that one thread at a time raises, under a lock, and any thread reads without it */
    #define count_up(count) __atomic_store_n(count, *(count) + 1, __ATOMIC_RELAXED)
    #define count_on(count, by) __atomic_store_n(count, *(count) + (by), __ATOMIC_RELAXED)
    #define load_count(count) __atomic_load_n(count, __ATOMIC_RELAXED)
    #define load_pointer(pointer) __atomic_load_n(pointer, __ATOMIC_ACQUIRE)
    #define swap_pointer(pointer, value) __atomic_exchange_n(pointer, value, __ATOMIC_ACQ_REL)
    #define replace_pointer(pointer, expected, value) \\
        __atomic_compare_exchange_n(pointer, expected, value, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
    """
    # pools hand every block straight back to the allocator, so that the sanitizer sees each use after free
    enum:
        PLAIN_ALLOCATION
        RACE_DETECTOR
    int load_acquire(int* pointer) nogil
    void store_release(int* pointer, int value) nogil
    void count_up(uint64_t* count) nogil
    void count_on(uint64_t* count, uint64_t by) nogil
    uint64_t load_count(uint64_t* count) nogil
    void* load_pointer(void** pointer) nogil
    void* swap_pointer(void** pointer, void* value) nogil
    bint replace_pointer(void** pointer, void** expected, void* value) nogil


cdef extern from *:
    """
    #include <string.h>
    /* memcpy of a size that the compiler shall know nothing of, or it puts the processor's string instruction there */
    static inline void copy_block(void *destination, const void *source, size_t size)
    {
        __asm__("" : "+r"(size));
        memcpy(destination, source, size);
    }
    """
    void copy_block(void* destination, const void* source, size_t size) nogil

cdef extern from *:
    """
    /* value * numerator / denominator without overflow on the way; nothing negative, denominator not 0 */
    static inline int64_t scale(int64_t value, int64_t numerator, int64_t denominator)
    {
        return (int64_t)((unsigned __int128)value * (uint64_t)numerator / (uint64_t)denominator);
    }
    """
    int64_t scale(int64_t value, int64_t numerator, int64_t denominator) nogil


cdef inline int64_t monotonic_clock() noexcept nogil:
    """The monotonic clock in ns. Only the edge (device, loop, waiter) may call it."""
    cdef timespec time
    clock_gettime(CLOCK_MONOTONIC, &time)
    return <int64_t> time.tv_sec * 1_000_000_000 + time.tv_nsec
