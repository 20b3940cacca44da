"""Connections of a topology whose ends are played by the core (application)."""

from libc.stdint cimport uint32_t
from netcore.application cimport application_t
from netcore.drive cimport HostHandle
from netcore.topology cimport Topology

cdef class Application:
    cdef Topology owner
    cdef application_t* application

cdef class Flow:
    cdef readonly Application client
    cdef readonly Application server

cdef class Flows(Topology):
    cdef application_t* new_application(self, HostHandle engine, dict habits) except NULL
    cdef int expect(self, application_t* application, uint32_t backlog) except -1
    cdef Application wrap(self, application_t* application)
