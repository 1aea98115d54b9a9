"""`python -m billing_assets` is `billing-assets`."""

from __future__ import annotations

from billing_assets.cli import main

if __name__ == "__main__":
    main()
