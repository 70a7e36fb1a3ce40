"""Watching conditions: each watcher takes what its parts found and says what its condition found.

Watchers are compiled once and hold no memory of a call. What they remember is a frozen value that
the engine keeps in its state and hands back to them.
"""
