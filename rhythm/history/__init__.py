"""Tools for a recorded history: check it, replay it, explain it."""
