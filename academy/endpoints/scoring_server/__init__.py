"""The scoring server: one model behind HTTP, in the model's own environment.

This folder stands alone: only the standard library, Python 3.7 or later, run by path with the
interpreter of the model's environment (``python …/scoring_server CONFIG.json``). It does what Azure
ML's inference server does: ``init()`` once, then ``run()`` for each ``POST /score``; ``GET /`` says
healthy; ``GET /swagger.json`` describes the input. An MLflow model needs no script.

https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
"""
