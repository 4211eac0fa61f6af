"""Tracking and the model registry: MLflow's own server, with the workspace's runs and models behind it."""
