"""The store is the truth: messages, orders and their event logs, and what was found and sent."""
