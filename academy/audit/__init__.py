"""The audit trail: records of what ran, chained by hash; how they are kept, checked and shown."""
