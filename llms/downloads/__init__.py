"""Model files: found on the hub or under any address, fetched, checked, kept in one folder."""
