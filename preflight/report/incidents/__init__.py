"""The incidents of a report: for every failure and warning, its one cause. No finding is hidden or changed.

A rule (``rules.RULES``) says which finding follows from which other, or from a fact that several share. Each finding
follows from at most one thing; what follows from nothing is a cause itself.
"""
