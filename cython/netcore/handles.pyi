"""SocketHandles: the part of a provider's socket that compiled calls look at."""

from typing import Any

from typing_extensions import disjoint_base

from netcore.endpoint import Endpoint
from netcore.listener import Listener

@disjoint_base
class SocketHandles:
    """What a socket of the provider has in the core, and in which mode it is; the base of the provider's Socket."""

    endpoint: Endpoint | None
    listener: Listener | None
    # not None while a connect is under way or its outcome was not taken over
    attempt: Any
    # TCP
    stream: bool
    nonblocking: bool
    closed: bool
    connect_failed: bool
    # what the threads wait with that wait for this socket
    waits: list[Any]
