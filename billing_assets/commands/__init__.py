"""Commands that look into the stores: what is asked, read and printed. They write nothing and start no run.

The words and exit codes of the command line live in `billing_assets.cli`.
"""
