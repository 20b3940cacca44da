"""Programs on the provider: a file server, the classic services, and the socket face that they are written against."""
