"""Copying studies from archive to archive: by C-GET, C-MOVE or WADO-RS, and by C-STORE or STOW-RS."""
