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
    "timestamp_request": 13,
    "timestampreply": 14,
    "timestamp_reply": 14,
    "information_request": 15,
    "information_reply": 16,
    "address_mask_request": 17,
    "address_mask_reply": 18,
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
    11: {
        "exc_ttl": 0,
        "ttl": 0,
        "ttl_exceeded_in_transit": 0,
        "exc_fragtime": 1,
        "fragtime": 1,
        "frag_reass_exceeded": 1,
    },
}

ERRORS: Final = frozenset({3, 4, 5, 11, 12})  # these alone quote a packet

REPLIES: Final = frozenset({0, 14, 16, 18})


def kind_number(name: str) -> int | None:
    """Returns the type of a name, or of `type_N`; None when it is no type."""
    return KINDS.get(name, _numbered(name, "type_"))


def code_number(kind: int, name: str | None) -> int | None:
    """Returns the code of a name of a type, or of `code_N`; 0 without a name; None when it is no code."""
    return 0 if name is None else CODES.get(kind, {}).get(name, _numbered(name, "code_"))


def _numbered(name: str, prefix: str) -> int | None:
    digits = name.removeprefix(prefix)
    return int(digits) if name.startswith(prefix) and digits.isdigit() and int(digits) <= 255 else None


def kind_name(kind: int) -> str:
    """Returns a name of a type, or its number."""
    return next((name for name, value in KINDS.items() if value == kind), str(kind))


def code_name(kind: int, code: int) -> str | None:
    """Returns the name of a code, its number when it has none, None for a nameless 0."""
    named = next((name for name, value in CODES.get(kind, {}).items() if value == code), None)
    return named or (str(code) if code else None)
