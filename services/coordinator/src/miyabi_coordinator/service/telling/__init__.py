"""What people and programs see of the work: events, numbers, spans, calls of models, the audit."""
