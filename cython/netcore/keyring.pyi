"""Keyring: the keys with which a host and its peers sign TCP segments (RFC 2385, RFC 5925; TCPX-7)."""

from typing import Any, Self, final

from netcore.endpoint import Endpoint
from netcore.engine import Engine

@final
class Keyring:
    """The keys of an engine. A secret goes in and never comes out.

    A key is looked up when a connection is made: that which names the peer by the longest prefix, then by more ports,
    then the one that was added first. From then on every segment of the connection is signed, and whatever comes
    unsigned or with a wrong code from a peer with a key is dropped without a word (counters TCPMD5NotFound,
    TCPMD5Failure, TCPAORequired, TCPAOBad ...). Connections that are there already stay as they are.
    """

    def __new__(cls, engine: Engine) -> Self: ...
    def add_md5(self, peer: str, secret: bytes, *, local_port: int = 0, remote_port: int = 0) -> int:
        """Adds a key of RFC 2385 and returns its number.

        peer: an IPv4 address or prefix, as text. secret: 1 to 80 bytes. local_port, remote_port: 0 for any.
        Raises ValueError for what is out of range, for a second key of the same peer and ports, and beyond 1,024 keys.
        """
    def add_ao(
        self,
        peer: str,
        secret: bytes,
        *,
        send_id: int,
        receive_id: int,
        algorithm: str = "hmac-sha-1-96",
        cover_options: bool = True,
        believe_icmp: bool = False,
        local_port: int = 0,
        remote_port: int = 0,
    ) -> int:
        """Adds a master key tuple of TCP-AO (RFC 5925 3.1) and returns its number.

        send_id, receive_id: 0 to 255, the identifiers in segments to and from the peer. algorithm: "hmac-sha-1-96" or
        "aes-128-cmac-96" (RFC 5926). cover_options: the code covers all TCP options.
        believe_icmp: ICMP errors of type 3, codes 2 to 4, count as on any connection; else those about a connection
        that is made are dropped (RFC 5925 7.8, counter TCPAODroppedIcmps). A peer may have several of these.
        Raises ValueError as add_md5, and for identifiers that another key of the same peer and ports has.
        """
    def remove(self, number: int) -> None:
        """Takes a key away from new connections; those that use it go on with it. Raises ValueError: none has it."""
    def list(self) -> list[dict[str, Any]]:
        """Returns number, algorithm, peer, ports and identifiers of each key, and whether a connection uses it."""
    def in_use(self, endpoint: Endpoint) -> dict[str, Any] | None:
        """Returns the key of a connection, `current`, and the one its peer is asked to use, `next`; None: unsigned."""
    def request(self, endpoint: Endpoint, receive_id: int) -> None:
        """Asks the peer to sign with another key (RNextKeyID, RFC 5925 7.3), which goes with the next segment.

        Raises ValueError when no key of this identifier is known for the peer.
        """
