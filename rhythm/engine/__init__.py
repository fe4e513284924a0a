"""The pure core: from events to status, to a machine, to what must be settled. No I/O, no clock."""
