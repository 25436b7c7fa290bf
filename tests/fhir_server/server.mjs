// A FHIR R4 server for tests: Medplum's router and repository behind node's HTTP server, on 127.0.0.1.
// Prints its port. What a test can order for the next transactions, one each, in the order it was ordered:
//   POST /$next?how=409|412|422|429|500  answered so, with the body as OperationOutcome and Retry-After from `after`
//   POST /$next?how=drop                 written, and the connection closed before the answer
//   POST /$next?how=hang                 written, and never answered
//   POST /$next?how=meanwhile            the resource in the body is put first, as by somebody else
// What is taken in a transaction is appended to the file that is named on the command line, a resource a line.
// `POST /$clear` empties the server; `GET /$transactions` tells the sizes of those that were written since.
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { badRequest, getStatus } from '@medplum/core';
import { FhirRouter } from '@medplum/fhir-router';

import { Repository } from './repository.mjs';

const router = new FhirRouter();
const repository = new Repository();
let ordered = [];
let written = [];

async function answer(method, url, headers, body) {
  return router.handleRequest(
    {
      method, url: url.replace(/^\/(?=\?|$)/, ''), pathname: '', params: {}, query: {}, headers, body,
      config: { transactions: true },
    },
    repository,
  );
}

async function text(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function control(url, body, response) {
  if (url.pathname === '/$next') ordered.push({ how: url.searchParams.get('how'), after: url.searchParams.get('after'), body });
  if (url.pathname === '/$clear') {
    repository.clear();
    ordered = [];
    written = [];
  }
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(written));
}

function respond(response, status, body, headers = {}) {
  response.writeHead(status, { 'Content-Type': 'application/fhir+json', ...headers });
  response.end(JSON.stringify(body));
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://127.0.0.1');
  const content = await text(request);
  let body;
  try {
    body = content === '' ? undefined : JSON.parse(content);
  } catch {
    respond(response, 400, badRequest('Invalid JSON'));
    return;
  }
  if (url.pathname.startsWith('/$')) {
    control(url, body, response);
    return;
  }
  const transaction = body?.type === 'transaction';
  const { how, after, body: told } = (transaction && ordered.shift()) || {};
  if (/^\d+$/.test(how)) {
    respond(response, Number(how), told, after ? { 'Retry-After': after } : {});
    return;
  }
  if (how === 'meanwhile') await repository.updateResource(told);
  const [outcome, resource] = await answer(request.method, request.url, request.headers, body);
  if (transaction && getStatus(outcome) === 200) {
    written.push(body.entry.length);
    appendFileSync(process.argv[2], repository.changed.map((taken) => JSON.stringify(taken) + '\n').join(''));
  }
  if (how === 'hang') return;
  if (how === 'drop') {
    request.socket.destroy();
    return;
  }
  respond(response, getStatus(outcome), resource ?? outcome);
  await repository.tellSubscribers();
});

server.listen(0, '127.0.0.1', () => {
  repository.base = `http://127.0.0.1:${server.address().port}`;
  console.log(server.address().port);
});
// The tests hold our standard input open; when they end, so do we.
process.stdin.resume().on('end', () => process.exit());
