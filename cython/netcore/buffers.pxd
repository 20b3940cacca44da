"""BufferSet: the program's buffers, held while a call lasts."""

from cpython.buffer cimport Py_buffer
from libc.stdint cimport uint64_t
from netcore.posix cimport iovec

cdef class BufferSet:
    cdef Py_buffer views[16]
    cdef Py_buffer* many
    cdef iovec* pieces
    cdef iovec few[16]
    cdef int count
    cdef uint64_t total
    # One buffer or a sequence of them; flags: PyBUF_SIMPLE or PyBUF_WRITABLE. ValueError beyond 1024.
    cdef int take(self, object data, int flags) except -1
    cdef int add(self, object data, int flags) except -1
