"""Faster forms of the textbook functions on NumPy: blocks, tiles, threads, scratch memory."""
