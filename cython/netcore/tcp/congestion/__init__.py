"""Congestion control: one file an algorithm, behind one table of functions."""
