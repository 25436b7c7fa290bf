"""The DICOM server of a site: one port, and a file for each service offered on it."""
