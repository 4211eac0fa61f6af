"""Editions: what learners get of a lab, what graders get, and how a submission is put back together."""
