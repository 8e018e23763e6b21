"""A larger model as a teacher: it labels, writes and judges, within a budget and never twice for the same request."""
