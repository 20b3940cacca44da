"""What becomes of the tunables that a program gives an engine."""

from netcore.tcp.tunables cimport tunables_t

# The defaults with what is `given` in their place; ValueError: no such tunable, or a value the core cannot work with.
cdef tunables_t merge_tunables(dict given) except *
