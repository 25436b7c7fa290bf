"""HL7 v2: reading messages, orders (ORM^O01) and reports (ORU^R01) from them, answers, results to send."""
