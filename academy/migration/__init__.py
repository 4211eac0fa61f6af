"""Moving a model, a job or an environment from one cell to another: what differs, and what it costs."""
