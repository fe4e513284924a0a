"""How fast Rhythm is, beside what the same script traffic costs without an engine around it."""
