"""BufferSet: a program's buffers, held while one call lasts. The core's own; a program passes buffers, not this."""

from typing_extensions import disjoint_base

@disjoint_base
class BufferSet:
    """One buffer or a sequence of them as a list of pieces."""
