"""What a finished run left on disk, turned into figures and a report. Imports no training code."""
