"""Real processes and a real server, killed, stopped and cut off while they work."""
