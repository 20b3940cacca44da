"""Digests and message authentication codes that TCP's signatures need (RFC 2385, RFC 5926); integers only."""
