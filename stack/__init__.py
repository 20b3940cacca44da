"""A user-space TCP/IP stack with Winsock semantics."""
