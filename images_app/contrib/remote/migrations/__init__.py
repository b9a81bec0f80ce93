"""Migrations of the sources of fetched images."""
