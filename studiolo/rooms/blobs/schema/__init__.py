"""Blob storage's wire forms: XML and headers of the data plane, JSON of the resource types."""
