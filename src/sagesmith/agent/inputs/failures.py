"""What a user is told of input data that cannot be had; in AWS's words where they are known."""

from sagesmith.agent.failures import TaskFailed


def download_failed(message: str) -> TaskFailed:
    return TaskFailed(f"ClientError: Data download failed:{message}")


def nothing_found(uri: str, region: str) -> str:
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists in '
        f"the selected region ({region}) and that objects exist under that S3 prefix."
    )


def s3_said(uri: str, code: str, message: str, region: str) -> str:
    """Why `uri` cannot be read, from S3's error."""
    if code in ("NoSuchBucket", "404"):
        return nothing_found(uri, region)
    return f"{code}: {message} ({uri})"


def both_folder_and_file() -> TaskFailed:
    return download_failed(
        "Failed to download data. Please check your s3 objects and ensure that there is no object that is both a "
        "folder as well as a file."
    )
