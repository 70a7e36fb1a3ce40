"""Where records go: supervisors in the room, the database, another room, a webhook.

Each forwarder has a bounded queue and a task of its own, so that a slow receiver holds up nobody
else; what cannot be delivered is counted and logged without a word of it.
"""
