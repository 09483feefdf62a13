"""A model server of many models, which are loaded when they are asked for and unloaded when memory is short.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/multi-model-endpoints.html
"""
