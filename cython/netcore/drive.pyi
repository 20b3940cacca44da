"""The step that every driver shares; Python sees of it only what owns a host."""

from typing_extensions import disjoint_base

@disjoint_base
class HostHandle:
    """Owns a host's memory; the base of Engine. Not to be made by itself."""
