"""The research questions, answered from the tables in docs/results; see docs/report.md."""
