"""Migrations of the files in the database."""
