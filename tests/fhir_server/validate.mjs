// Reads FHIR R4 resources on standard input, one a line; prints, one a line, the list of what is wrong with each.
import { createInterface } from 'node:readline';

import { Fhir } from 'fhir';

const fhir = new Fhir();
for await (const line of createInterface({ input: process.stdin })) {
  const { messages } = fhir.validate(JSON.parse(line));
  const wrong = messages.filter(({ severity }) => severity === 'error' || severity === 'fatal');
  console.log(JSON.stringify(wrong.map(({ location, message }) => `${location}: ${message}`)));
}
