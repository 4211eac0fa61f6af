"""Run labs as tests: ``pytest notebooks/ labs/``."""
