"""A message as the site's rules have it: identifiers normalised, codes translated, all else as it came."""

from collections.abc import Sequence

from mappings.hl7.reader import Hl7Message
from mappings.rules.code_tables import CodeTable, translated
from mappings.rules.patient_identifiers import PatientIdentifiers, normalised


def rewritten(
    message: Hl7Message, identifiers: PatientIdentifiers, tables: Sequence[CodeTable]
) -> Hl7Message:
    """The message that the mappings shall read. Conditions look at the message as it came.

    Raises:
        NotTakable: a check digit is wrong, or a code is in no table, and the site rejects such messages.
    """
    holding = [table for table in tables if table.when.holds(message)]
    if not holding and not identifiers.say_something:
        return message

    def edit(line: list[str]) -> list[str]:
        line = normalised(line, message.delimiters, identifiers)
        for table in holding:
            line = translated(line, message.delimiters, table)
        return line

    return message.edited(edit)
