import { expect, test } from 'vitest';
import { createApi } from '#seekwell/api/api';
import { silentLogger } from '#seekwell/logger';
import { withoutCache } from '#seekwell/process-counts';
import { apiServer } from './api-server.ts';

interface Operation {
  readonly summary?: string;
  readonly responses: Readonly<Record<string, object>>;
}

interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, { properties?: Record<string, object>; required?: string[] }>> };
}

/** As in `GET /api/v1/entries/{id}`. */
function operationsOf(document: Document): string[] {
  return Object.entries(document.paths).flatMap(([path, item]) => Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`));
}

test('lists exactly the routes that exist', async () => {
  const api = await apiServer();
  const document: Document = (await api.call('GET', '/api/openapi.json')).json;
  const app = createApi(api.cache, {
    baseUrl: null,
    token: null,
    counts: async () => withoutCache(),
    closing: new AbortController().signal,
    logger: silentLogger,
  });
  const routes = app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
  const streams = ['GET', 'HEAD'].map((method) => `${method} /stream/{source}/{media}/{quality}/{filename}`);
  expect(operationsOf(document).sort()).toStrictEqual([...routes, ...streams].sort());
});

test('holds every path of the contract', async () => {
  const api = await apiServer();
  const operations = new Set(operationsOf((await api.call('GET', '/api/openapi.json')).json));
  const entry = '/api/v1/entries/{id}';
  for (const operation of [
    'POST /api/v1/entries',
    'GET /api/v1/entries',
    `GET ${entry}`,
    `DELETE ${entry}`,
    `GET ${entry}/ranges`,
    ...['pause', 'resume', 'retry', 'prefetch', 'pin', 'unpin', 'verify'].map((action) => `POST ${entry}/${action}`),
    'GET /api/v1/stats',
    'GET /api/v1/events',
    'GET /api/openapi.json',
    'GET /api/docs',
    'GET /metrics',
    'GET /health/live',
    'GET /health/ready',
    'GET /',
  ]) {
    expect(operations).toContain(operation);
  }
});

test('describes what it is, every answer and every problem', async () => {
  const api = await apiServer();
  const document: Document = (await api.call('GET', '/api/openapi.json')).json;
  expect(document.openapi).toBe('3.1.0');
  expect(document.info).toMatchObject({ title: 'Seekwell', version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
  for (const item of Object.values(document.paths)) {
    for (const operation of Object.values(item)) {
      expect(operation.summary).toBeTruthy();
      expect(Object.keys(operation.responses)).toContain('default');
    }
  }
});

test('the entry it describes is the entry that is given', async () => {
  const api = await apiServer();
  const entry = await api.register('http://127.0.0.1:1/x');
  const document: Document = (await api.call('GET', '/api/openapi.json')).json;
  const { Entry } = document.components.schemas;
  expect(Object.keys(Entry?.properties ?? {}).sort()).toStrictEqual(Object.keys(entry).sort());
  expect([...(Entry?.required ?? [])].sort()).toStrictEqual(Object.keys(entry).sort());
  const stats = (await api.call('GET', '/api/v1/stats')).json;
  expect(Object.keys(document.components.schemas.Stats?.properties ?? {}).sort()).toStrictEqual(Object.keys(stats).sort());
});

test('the page shows every operation and shape, and loads nothing', async () => {
  const api = await apiServer();
  const document: Document = (await api.call('GET', '/api/openapi.json')).json;
  const { text, headers } = await api.call('GET', '/api/docs');
  for (const operation of operationsOf(document)) expect(text).toContain(`<code>${operation}</code>`);
  for (const name of Object.keys(document.components.schemas)) expect(text).toContain(`<section id="${name}">`);
  expect(text).toContain('<code>ENTRY_NOT_FOUND</code>');
  expect(text).not.toMatch(/<script|<img|src=|undefined|\[object/);
  expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/);
});
