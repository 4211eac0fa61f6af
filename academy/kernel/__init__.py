"""Notebooks: ``%load_ext academy``, and a kernel that does the same with no line at all."""
