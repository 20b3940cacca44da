"""WSPSelect (wsp.md 5.19) for what programs ask most: all members are looked at in one stay under the host's lock."""

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t
from netcore.drive cimport enter, unlock
from netcore.handles cimport SocketHandles
from netcore.host cimport host_t
from netcore.leading cimport glance
from netcore.posix cimport free, realloc
from netcore.tcp.backlog cimport listener_readiness
from netcore.tcp.calls cimport connection_readiness
from netcore.tcp.tcb cimport (
    ENDPOINT_CONNECTION, ENDPOINT_LISTENER, READY_ACCEPTABLE, READY_FAILED, READY_GONE, READY_READABLE, READY_URGENT,
    READY_WRITABLE, listener_t, tcb_t,
)

# SEL-7, 8, 10, 11: what makes a connection ready in each role
cdef int[ROLES] CONNECTION_BITS = [READY_READABLE | READY_FAILED, READY_WRITABLE | READY_FAILED, READY_URGENT]
cdef int[ROLES] CONNECTION_WATCHES = [
    READY_READABLE | READY_FAILED | READY_GONE, READY_WRITABLE | READY_FAILED | READY_GONE, READY_URGENT | READY_GONE,
]

# each set that was read gets a number, by which a member that comes twice is known
cdef uint64_t sets_read = 0


cdef inline uint32_t* count_of(const Py_buffer* view) noexcept:
    return <uint32_t*> view.buf


cdef inline uint64_t* array_of(const Py_buffer* view) noexcept:
    """fd_array begins at the alignment of its elements."""
    return <uint64_t*> (<char*> view.buf + 8)


@cython.final
cdef class Selection:
    """The sets of one call and the sockets they name."""

    def __dealloc__(self):
        cdef int role
        for role in range(ROLES):
            if self.given[role]:
                PyBuffer_Release(&self.views[role])
        free(self.members)

    cdef bint take(self, dict live, int role, object fds) except? -1:
        """Reads one set; False when it or a member is not of the plain kind."""
        global sets_read
        cdef SocketHandles socket
        cdef PyObject* found
        cdef member_t* member
        cdef member_t* larger
        cdef uint64_t* array
        cdef uint32_t size, i
        PyObject_GetBuffer(fds, &self.views[role], PyBUF_WRITABLE)
        self.given[role] = True
        if self.views[role].len < 8:
            return False
        size = count_of(&self.views[role])[0]
        if <uint64_t> self.views[role].len < 8 + 8 * <uint64_t> size:
            return False
        larger = <member_t*> realloc(self.members, (self.count + size + 1) * sizeof(member_t))
        if larger == NULL:
            raise MemoryError
        self.members = larger
        array = array_of(&self.views[role])
        sets_read += 1
        for i in range(size):
            found = PyDict_GetItem(live, array[i])
            if found == NULL:
                return False
            socket = <SocketHandles> <object> found
            if socket.closed or socket.attempt is not None or socket.connect_failed or not socket.stream:
                return False
            if socket.named_by == sets_read:
                return False  # SEL-6
            socket.named_by = sets_read
            member = &self.members[self.count]
            member.ready = False
            member.slot = NULL
            member.mask = member.watched = 0
            if socket.listener is not None:
                if role == 0:
                    member.slot = <void**> &socket.listener.listener
                    member.kind = ENDPOINT_LISTENER
                    member.mask = READY_ACCEPTABLE
                    member.watched = READY_ACCEPTABLE | READY_GONE
                self.owner = socket.listener.owner
                self.handles.append(socket.listener)
            elif socket.endpoint is not None:
                member.slot = <void**> &socket.endpoint.tcb
                member.kind = ENDPOINT_CONNECTION
                member.mask = CONNECTION_BITS[role]
                member.watched = CONNECTION_WATCHES[role]
                self.owner = socket.endpoint.owner
                self.handles.append(socket.endpoint)
            else:
                self.handles.append(None)
            self.sockets.append(socket)
            self.count += 1
        self.sizes[role] = <int> size
        return True

    cdef int look(self) noexcept nogil:
        """Marks the members that are ready; how many. The lock is held."""
        cdef member_t* member
        cdef int i
        cdef int bits
        cdef int total = 0
        for i in range(self.count):
            member = &self.members[i]
            if member.slot == NULL or member.slot[0] == NULL:
                member.ready = False
                continue
            if member.kind == ENDPOINT_CONNECTION:
                bits = connection_readiness(<tcb_t*> member.slot[0])
            else:
                bits = listener_readiness(<listener_t*> member.slot[0])
            member.ready = (bits & member.mask) != 0
            total += member.ready
        return total

    def poll(self) -> int:
        """How many members are ready; the sets are theirs then, and untouched when there are none."""
        cdef uint64_t* array
        cdef member_t* member = self.members
        cdef host_t* host = self.owner.host
        cdef int role, i, kept
        cdef int total
        with nogil:
            enter(host)
            total = self.look()
            if total and host.live and glance(host):
                total = self.look()
            unlock(host)
        if total == 0:
            return 0
        for role in range(ROLES):
            if not self.given[role]:
                continue
            array = array_of(&self.views[role])
            kept = 0
            for i in range(self.sizes[role]):
                if member.ready:
                    array[kept] = array[i]
                    kept += 1
                member += 1
            count_of(&self.views[role])[0] = <uint32_t> kept
        return total

    def clear(self) -> None:
        """Empties the sets: the time is over (SEL-2)."""
        cdef int role
        for role in range(ROLES):
            if self.given[role]:
                count_of(&self.views[role])[0] = 0

    def changed(self) -> bool:
        """Whether a member has become another thing than it was: closed, listening, connecting."""
        cdef SocketHandles socket
        cdef int i
        for i in range(self.count):
            socket = <SocketHandles> self.sockets[i]
            if socket.closed or socket.attempt is not None:
                return True
            if (socket.endpoint if socket.listener is None else socket.listener) is not self.handles[i]:
                return True
        return False

    @property
    def members(self) -> list[SocketHandles]:
        return self.sockets

    def watches(self) -> list:
        """What a Waiter waits for."""
        cdef int i
        found = []
        for i in range(self.count):
            if self.members[i].watched:
                found.append((self.handles[i], self.members[i].watched))
        return found

    def join(self, wait) -> None:
        """Lets `wait` be woken by what happens to the sockets themselves."""
        cdef SocketHandles socket
        for socket in self.sockets:
            socket.waits.append(wait)

    def leave(self, wait) -> None:
        """Undoes `join`."""
        cdef SocketHandles socket
        for socket in self.sockets:
            socket.waits.remove(wait)


def select_plain(dict live not None, kind, readfds, writefds, exceptfds) -> Selection | None:
    """The selection of three sets, or None when one of them or of their members is not of the plain kind."""
    cdef Selection selection = Selection.__new__(Selection)
    cdef int role = 0
    if (readfds is writefds and readfds is not None) or (exceptfds is not None and (
            exceptfds is readfds or exceptfds is writefds)):
        return None  # one set in two roles shows the union
    selection.sockets = []
    selection.handles = []
    for fds in (readfds, writefds, exceptfds):
        if fds is not None:
            if not isinstance(fds, kind) or not selection.take(live, role, fds):
                return None
        role += 1
    if selection.owner is None:
        return None
    return selection
