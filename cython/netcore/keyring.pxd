"""Keyring: the keys of a host for Python."""

from netcore.drive cimport HostHandle
from netcore.tcp.keys cimport key_t

cdef class Keyring:
    cdef HostHandle owner
    cdef object add(self, key_t* key)
