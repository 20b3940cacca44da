"""Addresses and routes of a host."""
