"""The switch of the planted faults; only the build with faults has this file.

Every module has a copy of its own, which reads the environment when it is asked first: so headers of inline functions
need nothing at run time, and a process has one fault for its whole life.
"""

cdef extern from *:
    """
    #include <stdlib.h>

    static int wspstack_planted_fault = -1;

    static inline int planted(int number)
    {
        if (__builtin_expect(wspstack_planted_fault < 0, 0)) {
            const char *given = getenv("WSPSTACK_FAULT");
            wspstack_planted_fault = given ? abs(atoi(given)) : 0;
        }
        return wspstack_planted_fault == number;
    }
    """
    bint planted(int number) noexcept nogil
