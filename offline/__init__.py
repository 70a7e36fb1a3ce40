"""The audit: recordings of a call in, the authoritative report out.

The way is a row of stages, each from records to records: `find` looks for calls, `hearing` turns a
recording into utterances, `judge` asks the rules, `reconcile` lays live and audit side by side,
`composition` writes the report, and `audit` leads a call through all of them once. Not here: what
happens live (`realtime`), and telling voices apart in a mixed recording.
"""
