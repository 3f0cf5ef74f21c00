"""Files: the VFS, the page cache and one folder for each file system."""
