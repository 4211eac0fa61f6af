"""Grading: the submissions of a class, side by side, each confined."""
