"""SageMaker's built-in algorithms on open libraries: one package an algorithm, over what all of them share.

`python -m sagesmith.algorithms train` is what their images run in a training job. The package is shown in sandboxes, in
environments that have NumPy and what the algorithm needs; declarations (`declaration`, `hyperparameters`, each
algorithm's own) need nothing but the standard library, since the API reads them too.
"""
