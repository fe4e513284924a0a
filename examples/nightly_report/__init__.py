"""A report that a schedule has written every night, a missed night included: see README.md."""
