"""What scripts import of the XGBoost container's package: readers of its data formats, training on several hosts.

Source: https://sagemaker.readthedocs.io/en/stable/frameworks/xgboost/using_xgboost.html,
github.com/aws/sagemaker-xgboost-container.
"""
