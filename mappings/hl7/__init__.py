"""HL7 v2: orders, reports, patients, schedules and catalogues from messages; answers, messages to send."""
