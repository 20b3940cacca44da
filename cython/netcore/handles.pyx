"""The part of a provider's socket that compiled calls look at; what it means is decided above."""


cdef class SocketHandles:
    """What a socket of the provider has in the core, and in which mode it is."""

    def __cinit__(self):
        self.waits = []
