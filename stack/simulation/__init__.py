"""Simulated networks as data: scenarios, random ones, their runs, their captures, and campaigns of many seeds."""
