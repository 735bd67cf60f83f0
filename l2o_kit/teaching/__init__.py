"""What every lesson uses: panels, guesses, checks, claims and their ledger.

All that lies above the library passes here first, and needs more than the library does.
"""

try:
    import ipywidgets  # noqa: F401
except ModuleNotFoundError:
    raise ImportError(
        'The lessons need JupyterLab and widgets: pip install "l2o_kit[lab]"'
    ) from None
