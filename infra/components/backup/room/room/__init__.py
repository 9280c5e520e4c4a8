"""The backup room: takes backups, proves each by restoring it, and says how fresh the newest proven one is."""
