"""BBR version 1 (draft-cardwell-iccrg-bbr-congestion-control-00) as a congestion control table; in integers.

A model of the path - the largest delivery rate of the last ten round trips, the least round trip of the last ten
seconds - sets the pace, and a window of twice their product. STARTUP doubles the rate until it stops growing, DRAIN
empties the queue that this made, PROBE_BW then asks for a quarter more in one of eight round trips, PROBE_RTT empties
the pipe for 200 ms when the least round trip has grown old. In recovery one round trip goes by packet conservation. As
in later forms of version 1, the window also covers ACKs that come in lumps, as those of superframes do.

What to know before choosing it:

- Loss is no signal to it. Up to 15 or 20 % of random loss costs it little; but with a buffer shallower than the
  bandwidth-delay product the window of twice that keeps losing packets, and flows of reno or cubic beside it starve.
- In deep buffers several such flows hold a queue of up to one bandwidth-delay product, and one that came later, with
  a longer least round trip, takes more than its share.
- A policer that passes bursts misleads it: the detector of long-term rates that some senders add is not here.
- The draft says nothing of ECN. RFC 3168 wants the answer that a loss gets: a round trip of packet conservation.

Versions 2 and 3, which bound the flight by loss and ECN, mend the first two; they would be a table of their own.
"""

from netcore.tcp.tcb cimport congestion_t

cdef const congestion_t* bbr() noexcept nogil
