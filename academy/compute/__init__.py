"""Sizes and computes: what a job or a deployment runs on."""
