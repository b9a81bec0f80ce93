"""Optional rooms: each is installed by naming it, and nothing else in the house knows it."""
