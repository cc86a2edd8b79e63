"""A study made again from its export: what is read, what differs here, and whether it came out the same."""
