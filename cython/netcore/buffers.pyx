"""One buffer or many as a list of pieces; nothing is copied."""

from cpython.buffer cimport PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer
from libc.stdint cimport uint64_t
from netcore.posix cimport calloc, free, iovec

cdef enum:
    FEW = 16
    BUFFERS_MOST = 1024


cdef class BufferSet:
    """One buffer or a sequence of them, held while the call lasts."""
    def __cinit__(self):
        self.many = self.views
        self.pieces = self.few

    cdef int take(self, object data, int flags) except -1:
        cdef Py_ssize_t size
        if PyObject_CheckBuffer(data):
            self.add(data, flags)
            return 0
        size = len(data)
        if size > BUFFERS_MOST:
            raise ValueError(f"{size} buffers in one call, at most {BUFFERS_MOST} are taken")
        if size > FEW:
            self.many = <Py_buffer*> calloc(size, sizeof(Py_buffer))
            self.pieces = <iovec*> calloc(size, sizeof(iovec))
            if self.many == NULL or self.pieces == NULL:
                raise MemoryError
        for item in data:
            if self.count == size:
                raise ValueError(f"the sequence of buffers says it has {size}, but has more")
            self.add(item, flags)
        return 0

    cdef int add(self, object data, int flags) except -1:
        PyObject_GetBuffer(data, &self.many[self.count], flags)
        self.pieces[self.count].iov_base = self.many[self.count].buf
        self.pieces[self.count].iov_len = <size_t> self.many[self.count].len
        self.total += <uint64_t> self.many[self.count].len
        self.count += 1
        return 0

    def __dealloc__(self):
        cdef int i
        for i in range(self.count):
            PyBuffer_Release(&self.many[i])
        if self.many != self.views:
            free(self.many)
        if self.pieces != self.few:
            free(self.pieces)
