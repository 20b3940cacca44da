"""WSPSend and WSPRecv (wsp.md 5.16, 5.20) of one buffer; what these do not take goes to functions of Python."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t
from netcore.copying cimport receive_pieces
from netcore.endpoint cimport Endpoint, send_in_turn
from netcore.handles cimport SocketHandles
from netcore.posix cimport iovec
from netcore.tcp.tcb cimport STATUS_WOULD_BLOCK


cdef inline int store_number(object cell, uint32_t number) except -1:
    """To a ctypes number of 32 bits; its buffer is nearer than its attribute."""
    cdef Py_buffer view
    PyObject_GetBuffer(cell, &view, PyBUF_WRITABLE)
    (<uint32_t*> view.buf)[0] = number
    PyBuffer_Release(&view)
    return 0


cdef inline bint is_zero(object cell) except -1:
    cdef Py_buffer view
    cdef bint zero
    PyObject_GetBuffer(cell, &view, PyBUF_SIMPLE)
    zero = (<uint32_t*> view.buf)[0] == 0
    PyBuffer_Release(&view)
    return zero


cdef inline bint is_bytes(object buffers):
    return type(buffers) is bytearray or type(buffers) is memoryview or type(buffers) is bytes


cdef SocketHandles connected(dict live, object s):
    """The socket of a descriptor when it has a connection, else None."""
    cdef PyObject* found = PyDict_GetItem(live, s)
    if found == NULL or (<SocketHandles> <object> found).endpoint is None:
        return None
    return <SocketHandles> <object> found


cdef inline bint fails_at_once(SocketHandles socket, int64_t status, dict codes, object integer, object cell) except -1:
    """Whether `status` says all, and is stored."""
    cdef PyObject* code
    if type(cell) is not integer or (status == STATUS_WOULD_BLOCK and not socket.nonblocking):
        return False
    if socket.attempt is not None or socket.closed:
        return False
    code = PyDict_GetItem(codes, status)
    if code == NULL:
        return False
    store_number(cell, <uint32_t> <object> code)
    return True


cdef inline int store_outcome(object cell, int64_t count) except -2:
    """What the entry returns: 0 and the count in its cell, or -1 for a negative one, whose code is stored already."""
    if count < 0:
        return -1
    store_number(cell, <uint32_t> count)
    return 0


def make_send(dict live not None, number, integer, dict codes not None, finish, general):
    """Returns WSPSend."""

    def WSPSend(s, lpBuffers, dwBufferCount, lpNumberOfBytesSent, dwFlags, lpOverlapped, lpCompletionRoutine,
                lpThreadId, lpErrno):
        """Sends the buffers in order, all of their bytes or none (SEND-1, SEND-2); returns 0 or SOCKET_ERROR."""
        cdef SocketHandles socket = connected(live, s)
        cdef Endpoint endpoint
        cdef Py_buffer view
        cdef iovec piece
        cdef int64_t sent
        if (socket is None or dwBufferCount != 1 or dwFlags != 0 or lpOverlapped is not None
                or type(lpNumberOfBytesSent) is not number or not is_bytes(lpBuffers)):
            return general(s, lpBuffers, dwBufferCount, lpNumberOfBytesSent, dwFlags, lpOverlapped,
                           lpCompletionRoutine, lpThreadId, lpErrno)
        try:
            PyObject_GetBuffer(lpBuffers, &view, PyBUF_SIMPLE)
        except (BufferError, ValueError):
            return general(s, lpBuffers, dwBufferCount, lpNumberOfBytesSent, dwFlags, lpOverlapped,
                           lpCompletionRoutine, lpThreadId, lpErrno)
        endpoint = socket.endpoint
        piece.iov_base = view.buf
        piece.iov_len = <size_t> view.len
        with nogil:
            sent = send_in_turn(endpoint, &piece, 1, piece.iov_len, False)
        PyBuffer_Release(&view)
        if sent < 0:
            if fails_at_once(socket, sent, codes, integer, lpErrno):
                return -1
            sent = finish(socket, lpBuffers, sent, lpErrno)
        return store_outcome(lpNumberOfBytesSent, sent)

    return WSPSend


def make_receive(dict live not None, number, integer, dict codes not None, finish, general):
    """Returns WSPRecv."""

    def WSPRecv(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags, lpOverlapped, lpCompletionRoutine,
                lpThreadId, lpErrno):
        """Fills the buffers in order with what is there, at least one byte (RECV-1); returns 0 or SOCKET_ERROR."""
        cdef SocketHandles socket = connected(live, s)
        cdef Endpoint endpoint
        cdef Py_buffer view
        cdef iovec piece
        cdef int64_t received
        if (socket is None or dwBufferCount != 1 or lpOverlapped is not None
                or type(lpNumberOfBytesRecvd) is not number or not is_bytes(lpBuffers)
                or not (lpFlags is None or (type(lpFlags) is number and is_zero(lpFlags)))):
            return general(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags, lpOverlapped,
                           lpCompletionRoutine, lpThreadId, lpErrno)
        try:
            PyObject_GetBuffer(lpBuffers, &view, PyBUF_WRITABLE)
        except (BufferError, ValueError):
            return general(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags, lpOverlapped,
                           lpCompletionRoutine, lpThreadId, lpErrno)
        endpoint = socket.endpoint
        piece.iov_base = view.buf
        piece.iov_len = <size_t> view.len
        with nogil:
            received = receive_pieces(endpoint.owner.host, &endpoint.tcb, &piece, 1, piece.iov_len, False)
        PyBuffer_Release(&view)
        if received < 0:
            if fails_at_once(socket, received, codes, integer, lpErrno):
                return -1
            received = finish(socket, lpBuffers, received, lpErrno)
        return store_outcome(lpNumberOfBytesRecvd, received)

    return WSPRecv
