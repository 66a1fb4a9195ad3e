"""Supervision: the one list of processes, and what watches them."""
