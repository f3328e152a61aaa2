"""The report: one HTML file that needs nothing else, and the same figures as PNG plots.

`render` and `write_plots` are pure functions of `ReportData`: the same data give the same bytes.
"""

from __future__ import annotations

from tellapart.report.data import Aside, Choice, Grouping, Mistake, Refusal, ReportData, Shot

__all__ = ["Aside", "Choice", "Grouping", "Mistake", "Refusal", "ReportData", "Shot"]
