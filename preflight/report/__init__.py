"""The report: its model, its verdicts, and the keys that each finding is about."""
