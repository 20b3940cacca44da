"""What another process may read of a running stack: its connections, its listeners and its counters."""
