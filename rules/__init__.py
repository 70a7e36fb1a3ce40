"""The rule language: its types, its loader, the engine that hears a call word by word.

Pure on purpose: no clock, no network, and no files but those that the loader is given. Callers
bring times with every word, so the live side and the nightly audit share one engine.
"""
