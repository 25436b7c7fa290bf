"""DICOM: orders as worklist items, names, what a query asks, what an archive answers."""
