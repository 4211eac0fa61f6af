"""The decision matrix: four environments, what lives in each, and how to choose among them."""
