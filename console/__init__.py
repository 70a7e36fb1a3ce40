"""The review console: where QA people work through flagged calls.

A web application over the same storage as everything else: pages are made on the server, a little
script makes them quick, and nothing is built when it runs. It judges nothing itself: hits come from
the live side, findings from the audit, and verdicts from people. It imports neither of those two
sides; the command `earmark console` wires it.
"""
