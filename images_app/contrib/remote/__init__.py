"""Images fetched from the web: by staff, from hosts that the settings name, through ingest."""
