// A FHIR R4 server for tests: Medplum's router and repository behind node's HTTP server, on 127.0.0.1.
// Prints its port. `POST /$fail?how=500|429|drop` makes the next transaction fail that way; `drop` writes
// it, and closes the connection before the answer. `POST /$clear` empties the server.
import { createServer } from 'node:http';

import { badRequest, getStatus } from '@medplum/core';
import { FhirRouter } from '@medplum/fhir-router';

import { Repository } from './repository.mjs';

const router = new FhirRouter();
const repository = new Repository();
let failure = null;

async function answer(request) {
  let body;
  try {
    body = request.method === 'GET' ? undefined : JSON.parse(await text(request));
  } catch {
    return [badRequest('Invalid JSON')];
  }
  return router.handleRequest(
    {
      method: request.method, url: request.url.replace(/^\/(?=\?|$)/, ''), pathname: '', params: {}, query: {},
      headers: request.headers, body, config: { transactions: true },
    },
    repository,
  );
}

async function text(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function control(url) {
  if (url.pathname === '/$fail') failure = url.searchParams.get('how');
  if (url.pathname === '/$clear') repository.clear();
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://127.0.0.1');
  if (url.pathname.startsWith('/$')) {
    control(url);
    response.writeHead(204).end();
    return;
  }
  const how = url.pathname === '/' ? failure : null;
  if (how) failure = null;
  if (how && how !== 'drop') {
    response.writeHead(Number(how)).end();
    return;
  }
  const [outcome, resource] = await answer(request);
  if (how === 'drop') {
    request.socket.destroy();
    return;
  }
  response.writeHead(getStatus(outcome), { 'Content-Type': 'application/fhir+json' });
  response.end(JSON.stringify(resource ?? outcome));
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
// The tests hold our standard input open; when they end, so do we.
process.stdin.resume().on('end', () => process.exit());
