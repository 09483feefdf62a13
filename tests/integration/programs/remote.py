"""Functions that run as training jobs, with either SDK: `@remote` and `RemoteExecutor`."""

import sys
from pathlib import Path

from steps import step, take

try:
    from sagemaker.remote_function import CustomFileFilter, RemoteExecutor, remote
except ImportError:
    from sagemaker.core.remote_function import CustomFileFilter, RemoteExecutor, remote

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
ROLE = "arn:aws:iam::123456789012:role/SageMakerExecutionRole"
HERE = Path.cwd()
SETTINGS = {"image_uri": IMAGE, "role": ROLE, "instance_type": "ml.m5.large"}


@step
def a_function():
    @remote(**SETTINGS)
    def divide(x, y=4):
        import platform

        import sklearn

        print("dividing", x, y)
        return {"quotient": x / y, "python": platform.python_version(), "sklearn": sklearn.__version__}

    return {**divide(10), "client": sys.version.split()[0]}


@step
def an_error():
    @remote(**SETTINGS)
    def fail():
        raise ValueError("what the function raised")

    try:
        fail()
    except ValueError as error:
        return [type(error).__name__, str(error)]


@step
def dependencies_and_the_working_directory():
    (HERE / "requirements.txt").write_text("tabulate==0.9.0\n")
    (HERE / "beside.py").write_text("WORD = 'a module of the working directory'\n")

    def show():
        import beside
        import tabulate

        return [beside.WORD, tabulate.__version__]

    filters = CustomFileFilter(ignore_name_patterns=["*.zip", "data"])
    settings = {"dependencies": "requirements.txt", "include_local_workdir": True, "custom_file_filter": filters}
    with RemoteExecutor(**SETTINGS, **settings, max_parallel_jobs=1) as executor:
        return executor.submit(show).result()


take()
