"""Background work for all: leases, the queue and time limits."""
