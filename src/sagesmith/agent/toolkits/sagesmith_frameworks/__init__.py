"""What each framework's container does around the user's script, on Amazon's `sagemaker-training`.

The image names its module by `SAGEMAKER_TRAINING_MODULE`. Amazon's own (sagemaker-pytorch-training,
sagemaker-tensorflow-training) are published as sources only, and do little more than this.
"""
