"""Measurements run by hand; the latest figures are in RESULTS.md."""
