"""Blob storage on plain files: a container is a folder, a blob is a file in it."""
