"""From sound to words: decoding, speech detection, recognisers, and the pinned weights they need.

Knows samples and seconds, and nothing of calls, rules in force, databases or rooms. Importing the
package loads nothing; the heavy libraries are imported by the modules that wrap them.
"""
