"""From sound to words: decoding, speech detection, recognisers, and the pinned weights they need.

Knows samples and seconds, and nothing of calls, rules in force, databases or rooms. Importing the
package loads nothing; the heavy libraries are imported by the modules that wrap them.
"""

import os

# onnxruntime 1.32 opens a telemetry store in the user's cache as soon as it is imported, and sends
# from it to events.data.microsoft.com. It looks at this once, at its import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
