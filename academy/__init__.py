"""Azure Machine Learning on one machine, spoken to with Microsoft's own SDK."""

__version__ = "0.1.0"
