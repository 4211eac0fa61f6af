"""Software environments: what a job's process can import, and nothing else.

From Azure's words (conda file, image, curated name) to a value (``EnvironmentSpec``), to a folder
in the cache that ``uv`` built.
"""
