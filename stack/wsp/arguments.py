"""How C pointers arrive as Python objects: reading and filling what an entry was given (GEN-3, wsp.md section 0).

A pointer to a number or structure is the ctypes object itself, `byref` of it, or a ctypes pointer; None is NULL. A
pointer to bytes may also be any object with the buffer protocol. What has another shape, or is too short, is
WSAEFAULT.
"""

import ctypes
from typing import Any, Final

from stack.wsp.constants import WSAEFAULT
from stack.wsp.errors import EntryFailure

# ctypes keeps the common bases of its types to itself.
_SIMPLE: Final[Any] = ctypes.c_int.__mro__[1]
POINTER_TYPE: Final[Any] = ctypes.POINTER(ctypes.c_int).__mro__[1]
REFERENCE_TYPE: Final = type(ctypes.byref(ctypes.c_int()))
_PLAIN: Final = (ctypes.Structure, ctypes.Union, ctypes.Array, _SIMPLE)


def pointee(pointer: Any) -> Any:
    """Returns the object that `pointer` stands for: what `byref` or a ctypes pointer points to, others as they are.

    None for NULL.
    """
    if isinstance(pointer, REFERENCE_TYPE):
        return pointer._obj  # type: ignore[attr-defined]
    if isinstance(pointer, POINTER_TYPE):
        return pointer.contents if pointer else None
    return pointer


def number(pointer: Any) -> Any:
    """Returns the ctypes number that `pointer` stands for; its `value` is read and written.

    Raises EntryFailure WSAEFAULT for NULL and for anything else.
    """
    cell = pointee(pointer)
    if not isinstance(cell, _SIMPLE):
        raise EntryFailure(WSAEFAULT)
    return cell


def number_or_null(pointer: Any) -> Any:
    """Returns the ctypes number that `pointer` stands for, or None for NULL."""
    return None if pointee(pointer) is None else number(pointer)


def structure(pointer: Any, kind: type[Any]) -> Any:
    """Returns the structure of type `kind` that `pointer` stands for. Raises EntryFailure WSAEFAULT."""
    found = pointee(pointer)
    if not isinstance(found, kind):
        raise EntryFailure(WSAEFAULT)
    return found


def memory(pointer: Any, length: int) -> memoryview:
    """Returns the first `length` bytes behind `pointer`, as they lie in memory.

    Raises EntryFailure WSAEFAULT for NULL, an integer (no address of ours), or less memory than `length`.
    """
    if isinstance(pointer, POINTER_TYPE):
        if not pointer:
            raise EntryFailure(WSAEFAULT)
        address = ctypes.addressof(pointer.contents)
        return memoryview((ctypes.c_char * length).from_address(address)).cast("B")
    found = pointee(pointer)
    if isinstance(found, _PLAIN):
        size = ctypes.sizeof(found)
        view = memoryview((ctypes.c_char * size).from_address(ctypes.addressof(found))).cast("B")
    else:
        try:
            view = memoryview(found).cast("B")
        except (TypeError, ValueError):
            raise EntryFailure(WSAEFAULT) from None
    if view.nbytes < length:
        raise EntryFailure(WSAEFAULT)
    return view[:length]


def writable_memory(pointer: Any, length: int) -> memoryview:
    """Returns `memory`, or raises EntryFailure WSAEFAULT when it may not be written."""
    view = memory(pointer, length)
    if view.readonly:
        raise EntryFailure(WSAEFAULT)
    return view


def available(pointer: Any, length: int) -> bytes:
    """Returns a copy of at most `length` bytes behind `pointer`: fewer when the object is smaller.

    Raises EntryFailure WSAEFAULT for NULL or an integer.
    """
    found = pointee(pointer)
    if isinstance(pointer, POINTER_TYPE):
        return bytes(memory(pointer, length))
    if isinstance(found, _PLAIN):
        return bytes(memory(found, min(length, ctypes.sizeof(found))))
    try:
        return bytes(memoryview(found).cast("B")[:length])
    except (TypeError, ValueError):
        raise EntryFailure(WSAEFAULT) from None


def store_error(pointer: Any, code: int) -> None:
    """Writes `code` to `*lpErrno`; NULL is let pass (GEN-1)."""
    if type(pointer) is ctypes.c_int:
        pointer.value = code
        return
    cell = pointee(pointer)
    if cell is not None:
        cell.value = code
