"""Jobs: from an ARM job document to a plan, to a process tree under a supervisor, to a record."""
