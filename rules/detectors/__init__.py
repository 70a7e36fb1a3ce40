"""Deciding what digits are. Each detector judges one candidate; none keeps memory."""
