"""Data buffers of WSPSend and WSPRecv, handed to the core without a copy.

What an entry may be given as lpBuffers: one object with the buffer protocol; a list or tuple of such objects and
WSABUFs; a WSABUF, an array of WSABUF, or a pointer to the first of them.
"""

import ctypes
from collections.abc import Iterable
from typing import Any, Final

from stack.wsp.arguments import POINTER_TYPE, REFERENCE_TYPE
from stack.wsp.constants import WSAEFAULT
from stack.wsp.errors import EntryFailure
from stack.wsp.structures import WSABUF

_LENGTH_OF_MINUS_ONE: Final = 0xFFFF_FFFF


def gather(buffers: Any, count: int, *, writable: bool = False) -> Any:
    """Returns the first `count` of `buffers` as the core takes them: one buffer, or a list of buffers.

    Raises EntryFailure WSAEFAULT: NULL, fewer than `count` there, a length of -1 (RECV-9), an object without memory,
    with gaps in it, or not `writable` where that is asked for.
    """
    if count <= 0:
        return []
    if isinstance(buffers, list | tuple):
        if len(buffers) < count:
            raise EntryFailure(WSAEFAULT)
        return [
            _wsabuf_memory(each) if isinstance(each, WSABUF) else _checked(each, writable) for each in buffers[:count]
        ]
    if isinstance(buffers, REFERENCE_TYPE):
        buffers = buffers._obj  # type: ignore[attr-defined]
    if isinstance(buffers, WSABUF):
        described: Iterable[WSABUF] = (buffers,) * (count == 1)
    elif isinstance(buffers, ctypes.Array) and issubclass(buffers._type_, WSABUF):
        described = buffers[:count]
    elif isinstance(buffers, POINTER_TYPE) and issubclass(buffers._type_, WSABUF) and buffers:
        described = (buffers[index] for index in range(count))
    elif count == 1:
        return _checked(buffers, writable)
    else:
        raise EntryFailure(WSAEFAULT)
    memories = [_wsabuf_memory(each) for each in described]
    if len(memories) != count:
        raise EntryFailure(WSAEFAULT)
    return memories


def _checked(buffer: Any, writable: bool) -> Any:
    try:
        with memoryview(buffer) as view:
            usable = view.c_contiguous and not (writable and view.readonly)
    except (TypeError, ValueError):  # without memory; a view that was released
        usable = False
    if not usable:
        raise EntryFailure(WSAEFAULT)
    return buffer


def _wsabuf_memory(described: WSABUF) -> memoryview:
    length = described.len
    if not length:
        return memoryview(bytearray())
    if length == _LENGTH_OF_MINUS_ONE or not described.buf:
        raise EntryFailure(WSAEFAULT)
    address = ctypes.addressof(described.buf.contents)
    return memoryview((ctypes.c_char * length).from_address(address)).cast("B")
