"""The checkout that this package lies in: where its tests, benchmarks and lock files are."""

from __future__ import annotations

import os

from krait.errors import UserError

_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def checkout_folder() -> str:
    """The root of the checkout. Raises UserError for an installed package without one."""
    root = os.path.dirname(os.path.dirname(_PACKAGE))
    if not os.path.exists(os.path.join(root, "pyproject.toml")):
        raise UserError("this needs a checkout of Krait's repository, not an installed package")
    return root
