"""Shapes in signatures are checked in every test; nothing else happens here."""

from jaxtyping import install_import_hook

install_import_hook("l2o_kit", "beartype.beartype")
