"""Types and codes of ICMP by the names that scripts use (RFC 792, RFC 1122, RFC 1812)."""

from typing import Final

KINDS: Final[dict[str, int]] = {
    "echo_reply": 0,
    "unreachable": 3,
    "dest_unreachable": 3,
    "source_quench": 4,
    "redirect": 5,
    "echo_request": 8,
    "echo": 8,
    "time_exceeded": 11,
    "parameter_problem": 12,
    "parameterprob": 12,
    "timestamp": 13,
    "timestampreply": 14,
}

CODES: Final[dict[int, dict[str, int]]] = {
    3: {
        "net_unreachable": 0,
        "host_unreachable": 1,
        "protocol_unreachable": 2,
        "port_unreachable": 3,
        "frag_needed": 4,
        "source_route_failed": 5,
        "net_unknown": 6,
        "host_unknown": 7,
        "source_host_isolated": 8,
        "net_prohibited": 9,
        "host_prohibited": 10,
        "net_unreachable_for_tos": 11,
        "host_unreachable_for_tos": 12,
        "packet_filtered": 13,
        "precedence_violation": 14,
        "precedence_cutoff": 15,
    },
    5: {"net": 0, "host": 1, "net_for_tos": 2, "host_for_tos": 3},
    11: {"exc_ttl": 0, "ttl": 0, "exc_fragtime": 1, "fragtime": 1},
}

ECHOES: Final = frozenset({0, 8, 13, 14})  # they quote nothing


def kind_name(kind: int) -> str:
    """Returns a name of a type, or its number."""
    return next((name for name, value in KINDS.items() if value == kind), str(kind))


def code_name(kind: int, code: int) -> str | None:
    """Returns the name of a code, its number when it has none, None for a nameless 0."""
    named = next((name for name, value in CODES.get(kind, {}).items() if value == code), None)
    return named or (str(code) if code else None)
