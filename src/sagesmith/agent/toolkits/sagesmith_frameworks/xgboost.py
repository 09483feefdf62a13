"""The XGBoost container's `train` in framework mode.

Source: github.com/aws/sagemaker-xgboost-container.
"""

from sagemaker_training import environment, errors
from sagesmith_frameworks import script


def main() -> None:
    """Run the script.

    Raises:
        ClientError: there is none: the job is for the built-in algorithm.
    """
    env = environment.Environment()
    if env.user_entry_point is None:
        raise errors.ClientError(
            "XGBoost's algorithm mode, which trains without a script, is not built yet. Give the estimator a script "
            "(entry_point of sagemaker.xgboost.XGBoost)."
        )
    script.run(env)
