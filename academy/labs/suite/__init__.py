"""The suite: every lab run, compared and checked, before a class."""
