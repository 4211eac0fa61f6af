"""What can be seen of a run while it is there: machine, packages, code, data. Others keep and read it."""
