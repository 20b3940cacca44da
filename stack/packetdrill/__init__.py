"""packetdrill scripts run against this stack: over its sockets, on a link in memory, under a virtual clock."""
