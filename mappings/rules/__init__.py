"""A site's own rules, as its site file writes them: which messages are taken, what is changed in them before
they are mapped, and where they are passed on. Pure, like every mapping; docs/rules.md shows them all.

    message ──filtered_by──▶ rewritten (identifiers, codes) ──▶ the mappings
       └─────destinations_of──▶ passed on as it came

Identifiers and codes are changed in the message, before it is mapped, and not in the values that come out: so
one rule holds for every type of message, no mapping knows of rules, and what a value no longer bears (check
digit CX-2, scheme CX-3) is still there to be judged by.
"""
