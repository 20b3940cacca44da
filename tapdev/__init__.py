"""Linux devices, namespaces and links for the stack: knows the kernel, nothing of TCP/IP."""
