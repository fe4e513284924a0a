"""The whole engine in one process: a virtual clock, faults at every round trip, all by a seed."""
