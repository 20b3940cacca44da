"""Tunables as a program gives them, by name, made whole and checked."""

from netcore.tcp.tunables cimport set_default_tunables, tunables_t

# what the core can work with; where a tunable does not stand here, any number will do
cdef dict BOUNDS = {
    "rto_minimum": (1_000_000, 3_600_000_000_000), "rto_maximum": (1_000_000, 3_600_000_000_000),
    "rto_initial": (1_000_000, 1 << 62), "syn_rto": (1_000_000, 1 << 62), "persist_maximum": (1_000_000, 1 << 62),
    "data_retries": (0, 255), "synack_retries": (0, 255), "syn_retries": (0, 255), "quick_acks": (0, 255),
    "maximum_holes": (1, 256), "initial_window": (1, 1 << 16),
    "send_buffer": (0, 0x3fffffff), "receive_buffer": (1, 0x3fffffff), "send_buffer_maximum": (0, 0x3fffffff),
    "receive_buffer_maximum": (1, 0x3fffffff), "maximum_superframe": (536, 65483), "path_mtu_minimum": (104, 65535),
    "ecn": (0, 3), "keepalive_count": (1, 255), "fast_open_pending": (0, 1 << 20), "fast_open_servers": (0, 1 << 20),
    "fast_open_key_life": (1_000_000_000, 1 << 62), "ttl": (0, 255), "neighbor_limit": (1, 1 << 31),
    "connection_statistics": (0, 1),
}


cdef tunables_t merge_tunables(dict given) except *:
    cdef tunables_t tunables
    cdef dict merged
    set_default_tunables(&tunables)
    merged = tunables
    for name, value in given.items():
        if name not in merged:
            raise ValueError(f"{name} is no tunable; known are {', '.join(sorted(merged))}")
        if not isinstance(value, int) or not 0 <= value < 1 << 62:
            raise ValueError(f"{name} is {value!r}, but must be a whole number from 0 to {(1 << 62) - 1}")
        merged[name] = int(value)
    for name in ("send_buffer", "receive_buffer"):
        maximum = f"{name}_maximum"
        if maximum not in given:
            merged[maximum] = merged[name] if name in given else merged[maximum]
        elif name not in given:
            merged[name] = min(merged[name], merged[maximum])
        if merged[name] > merged[maximum]:
            raise ValueError(f"{name} is {merged[name]} bytes, but {maximum} is {merged[maximum]}")
    for name, (least, most) in BOUNDS.items():
        if not least <= merged[name] <= most:
            raise ValueError(f"{name} is {merged[name]}, but must be between {least} and {most}")
    if merged["rto_minimum"] > merged["rto_maximum"]:
        raise ValueError(f"rto_minimum is {merged['rto_minimum']} ns, but rto_maximum is {merged['rto_maximum']} ns")
    tunables = merged
    return tunables
