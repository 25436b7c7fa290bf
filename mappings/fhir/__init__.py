"""FHIR R4: an order, its studies and its report as resources, and as one transaction."""
