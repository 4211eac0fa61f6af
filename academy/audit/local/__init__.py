"""Runs of plain scripts, outside the service: ``academy audit run``, and the ledger in their folder."""
