"""What can be asked of signbin: one file per verb, joining the rooms that answer it."""
