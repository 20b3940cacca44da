"""A topology with its flows that is recorded and sampled (trace, sampling)."""

from netcore.flows cimport Flows
from netcore.sampling cimport samples_t
from netcore.topology cimport Topology

cdef class Samples:
    cdef Topology owner
    cdef samples_t* samples

cdef class Observed(Flows):
    pass
