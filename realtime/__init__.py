"""The live side: hears a call as it happens, feeds the rule engine, and raises alerts.

One path serves a LiveKit room and audio files alike: samples go through an `Ear` (speech
detection), a recogniser, a `CallSession` (the rule engine and the call clock), and out by sinks.
What differs is only where samples come from and where alerts go. Nothing here reads recordings
again after the call: that is the audit's work.
"""
