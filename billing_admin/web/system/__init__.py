"""The dashboard, search, the audit log, jobs and the API documentation."""
