"""InvokeEndpointAsync: requests that are taken now and answered in S3.

A request is acknowledged once its record is on the disk (`records`). One of the routers, whoever holds the lock of the
queue, works it off (`worker`): it reads the input from S3 while it sends it to a model server, and stores the answer
under the place that the caller was told (`performing`). A record goes when its answer, or its failure, is stored, so
that whoever dies when leaves nothing undone; what was under way then is asked for once more.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html
"""
