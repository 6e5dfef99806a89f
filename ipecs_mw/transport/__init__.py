"""The network, nothing else."""
