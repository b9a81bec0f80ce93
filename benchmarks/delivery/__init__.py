"""Delivery beside the peers: one private rendition, by every way that there is to send it."""
