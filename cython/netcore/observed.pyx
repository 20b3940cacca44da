"""What can be seen of a simulated network: copies of frames, and the variables of a connection over time."""

cimport cython
from array import array
from typing import NamedTuple

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint32_t
from netcore.application cimport application_t
from netcore.endpoint cimport Endpoint
from netcore.flows cimport Application, Flows
from netcore.network cimport node_t
from netcore.posix cimport calloc, free, memset
from netcore.sampling cimport sample_t, samples_t
from netcore.trace cimport record_octets, record_t, trace_clear


class Frame(NamedTuple):
    """A frame as it arrived at the end of a link."""

    time: int
    link: int
    forward: bool
    octets: bytes


@cython.final
cdef class Samples:
    """What was recorded of one connection."""

    @property
    def dropped(self) -> int:
        return self.samples.dropped

    def __len__(self) -> int:
        return self.samples.count

    def take(self) -> dict[str, array]:
        """Takes the samples: one array of int64 for each name in SAMPLE_FIELDS."""
        cdef samples_t* samples = self.samples
        cdef uint32_t width = sizeof(sample_t) // sizeof(int64_t)
        everything = array("q")
        if samples.count:
            everything.frombytes((<char*> samples.items)[:samples.count * sizeof(sample_t)])
        samples.count = 0
        return {name: everything[place::width] for place, name in enumerate(SAMPLE_FIELDS)}


cdef tuple sample_names():
    cdef sample_t sample
    memset(&sample, 0, sizeof(sample))
    return tuple(<dict> sample)


SAMPLE_FIELDS = sample_names()


@cython.no_gc_clear
cdef class Observed(Flows):
    """A network that is recorded and sampled. See the stub."""

    def record(self, links=None, *, limit: int = 1 << 30) -> None:
        """Keeps a copy of every frame that arrives at the end of these links."""
        wanted = range(len(self.links)) if links is None else {link.number for link in links}
        for number in range(len(self.links)):
            self.network.ways[2 * number].recorded = self.network.ways[2 * number + 1].recorded = number in wanted
        self.network.trace.limit = limit

    def recorded(self) -> list[Frame]:
        """Takes the copies, in the order of arrival."""
        cdef record_t* record = self.network.trace.first
        frames = []
        while record != NULL:
            frames.append(Frame(record.time, record.way >> 1, not record.way & 1,
                                PyBytes_FromStringAndSize(<char*> record_octets(record), record.length)))
            record = record.next
        trace_clear(&self.network.trace)
        return frames

    def watch(self, watched, *, limit: int = 1_000_000) -> Samples:
        """Records the variables of a connection from now on."""
        cdef Samples handle = Samples.__new__(Samples)
        cdef samples_t* samples
        cdef application_t* application
        cdef Endpoint endpoint
        cdef node_t* node
        if not 0 < limit < 1 << 31:
            raise ValueError(f"limit is {limit}, but must be 1 to {(1 << 31) - 1} samples")
        samples = <samples_t*> calloc(1, sizeof(samples_t))
        if samples == NULL:
            raise MemoryError
        if isinstance(watched, Application):
            application = (<Application> watched).application
            node = self.network.nodes[application.node]
            samples.local, samples.remote = application.local, application.remote
            samples.local_port, samples.remote_port = application.local_port, application.remote_port
        else:
            endpoint = watched
            if endpoint.tcb == NULL:
                free(samples)
                raise ValueError("the endpoint is closed")
            node = self.node_of(endpoint.owner)
            samples.local, samples.remote = endpoint.tcb.entry.local, endpoint.tcb.entry.remote
            samples.local_port = endpoint.tcb.entry.local_port
            samples.remote_port = endpoint.tcb.entry.remote_port
        samples.host = node.host
        samples.limit = limit
        samples.next = node.samples
        node.samples = samples
        handle.owner = self
        handle.samples = samples
        return handle
