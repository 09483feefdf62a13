"""What SageMaker JumpStart's tabular algorithms share: their channels, their classes, their answers."""
