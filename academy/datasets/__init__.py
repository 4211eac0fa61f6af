"""Datastores, ``azureml://`` URIs, and what jobs read and write through them."""
