"""Pictures of TCP connections: a capture or a simulated run, analysed as plain data and drawn.

`records` reads a file, `decoding` takes the headers off, `connections` sorts the packets, `analysis` says what one
direction of a connection did, `figure` draws it. Only `figure`, `panels` and `thinning` know that there is a picture.
"""
