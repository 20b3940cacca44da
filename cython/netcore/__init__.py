"""The TCP/IP core: a pure machine of frames, calls and time, compiled by Cython."""
