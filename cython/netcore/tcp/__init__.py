"""RFC 9293 as state in, state out."""
