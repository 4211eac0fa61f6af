"""Learning: a learner's own copies, checks and hints in the notebook, and the record of what was done."""
