"""The demo project: a real host of images_app."""
