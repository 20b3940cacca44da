"""The Winsock service provider: WSPStartup is the only exported name (GEN-16), its table leads to all else."""

from stack.wsp.provider import WSPStartup

__all__ = ["WSPStartup"]
