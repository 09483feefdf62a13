"""What training has in common: the job, its log, passes over the data, several instances."""
