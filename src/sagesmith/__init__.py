"""Sagesmith: a machine-learning platform that speaks the Amazon SageMaker API on machines you own."""

__version__ = "0.1.0"
