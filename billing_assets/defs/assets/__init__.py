"""The assets, a file each, in the order of the chain."""
