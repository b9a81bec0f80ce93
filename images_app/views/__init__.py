"""Views: each reads as a few lines of story."""
