"""Images kept in the database: no folder and no bucket to run, back up or keep private."""
