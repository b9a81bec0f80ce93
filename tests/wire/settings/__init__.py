"""Settings of the demo project, one module for each way to deliver."""
