"""Loops that numba compiles. The app loads none of them before one is called: numba takes 120 MB.

Their callers import them inside a function.
"""
