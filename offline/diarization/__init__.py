"""Tells the voices of a mixed recording apart. Whose they are is for `offline.attribute` to say."""
