"""CUBIC (RFC 9438) as a congestion control table, the default; in integers.

A window that grows with the time since the last loss and not with the round trip: fast towards the window at which
that loss was met, flat around it, fast again beyond; never slower than Reno would. It leaves the first slow start by
HyStart++ (RFC 9406); ECN-Echo takes 15 % instead of 30 % (RFC 8511); windows that the application does not fill are
validated (RFC 7661), and the time that they are not filled is no time of the curve (5.8).
"""

from netcore.tcp.tcb cimport congestion_t

cdef const congestion_t* cubic() noexcept nogil
