"""The stages of the audit: each from records to a record, resumable, cached by what went into it.

A recording goes through *fetch*, *decode*, *align*, *diarize*, *attribute*, *transcribe*; then the
call through *judge*, *reconcile*, *redact*, *report*. Stages that cost something (`stage.Stage`)
are made by a `workbench.Workbench`, which looks first whether the same was made before: the same
input by sha256, the same settings and models, the same version of the stage's code. What it makes
it puts down as a `manifest` in a `store`. The rest is plain functions that run each time.
`docs/audit.md` has the table.

How a stage is added:

1. Write its record in `records`: a pydantic dataclass of plain values with `extra="forbid"`, on the
   recording's own clock.
2. Subclass `Stage` in a module here: a name, a version that goes up with each change of the code
   that changes what it makes, `inputs` (hashes), `settings` (all else that decides), and `run`.
   Where there are several engines, the stage takes one by a Protocol
   (`offline.diarization.turns.Diarizer`, `align.Aligner`), and its `describe()` goes into the
   settings.
3. Call it in `offline.hearing` by `bench.make(stage, given)`.
4. Add what `describe()` says to `Hearing.describe`, so that it decides the key of the audit, too.

Not here: the order of the stages (`offline.hearing` for a recording, `offline.audit` for a call).
"""
