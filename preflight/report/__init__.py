"""The report: its model, its verdicts, and what they are derived from."""
