"""Ground that every room stands on; imports nothing of `studies`."""
