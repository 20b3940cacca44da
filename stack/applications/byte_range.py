"""The Range header field of HTTP (RFC 9110 section 14), as far as a file server needs it: one range of bytes."""

import re

# Python refuses to make a number of more than 4300 digits, and no file has a size of 1000.
_ONE_RANGE = re.compile(r"bytes\s*=\s*(?:(\d{1,1000})\s*-\s*(\d{0,1000})|-\s*(\d{1,1000}))\s*$", re.IGNORECASE)


class Unsatisfiable(ValueError):
    """The range lies outside the file: status 416."""


def requested_range(field: str, size: int) -> tuple[int, int] | None:
    """Returns (first byte, number of bytes) that a Range field asks of a file of `size` bytes.

    None: the field is to be ignored, because it is malformed, of another unit, or asks for several ranges (RFC 9110
    14.2 leaves that open to the server). Raises Unsatisfiable.
    """
    match = _ONE_RANGE.match(field.strip())
    if match is None:
        return None
    first_text, last_text, suffix_text = match.groups()
    if suffix_text is not None:
        count = min(int(suffix_text), size)
        if count == 0:
            raise Unsatisfiable(field)
        return size - count, count
    first = int(first_text)
    if last_text and int(last_text) < first:
        return None
    if first >= size:
        raise Unsatisfiable(field)
    last = min(int(last_text), size - 1) if last_text else size - 1
    return first, last - first + 1
