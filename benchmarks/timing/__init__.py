"""How long refusals take."""
