// Imports point one way:
//   cli, server -> api, proxy -> file-cache.ts -> downloads, state-computer.ts -> repository, chunk-store, origin -> core
// A layer may import itself and what `layers` lists for it, and nothing else of src. ARCHITECTURE.md says why.

// Everybody may import these.
const leaves = [
  'src/core/',
  'src/errors.ts',
  'src/clock.ts',
  'src/randomness.ts',
  'src/logger.ts',
  'src/problem.ts',
  'src/thread-client.ts',
];
// What the layers above the bottom see of it.
const contracts = [
  'src/repository/cache-repository.ts',
  'src/chunk-store/chunk-store.ts',
  'src/chunk-store/disk-space.ts',
  'src/origin/origin-client.ts',
];
const middle = ['src/downloads/', 'src/state-computer.ts', ...contracts];
const bottom = ['src/repository/', 'src/chunk-store/', 'src/origin/'];
// What an entry looks like from above: its names, its options, its handle.
const entry = [
  'src/entry-key.ts',
  'src/entry-limits.ts',
  'src/entry-info.ts',
  'src/cached-entry.ts',
  'src/cache-options.ts',
  'src/stream-url.ts',
];
const facade = ['src/file-cache.ts', 'src/process-name.ts', 'src/process-counts.ts', ...entry];

/** @type {Record<string, string[]>} Each layer and what it may import of src beside itself. A file that belongs to no layer is an error. */
const layers = {
  'src/errors.ts': [],
  'src/clock.ts': [],
  'src/randomness.ts': [],
  'src/problem.ts': ['src/errors.ts'],
  'src/logger.ts': [],
  'src/thread-client.ts': ['src/errors.ts'],
  'src/core/': ['src/errors.ts'],
  'src/config/': leaves,
  'src/repository/': leaves,
  'src/chunk-store/': leaves,
  'src/origin/': leaves,
  'src/state-computer.ts': [...contracts, ...leaves],
  'src/downloads/': [...middle, ...leaves],
  // The one place that names implementations, because it is the one that wires objects.
  'src/cache-parts.ts': [...entry, ...middle, ...leaves],
  'src/file-cache.ts': [
    'src/cache-parts.ts',
    'src/cache-folder.ts',
    'src/process-name.ts',
    'src/dead-processes.ts',
    ...entry,
    ...middle,
    ...bottom,
    'src/config/',
    ...leaves,
  ],
  'src/cache-folder.ts': ['src/config/', ...leaves],
  'src/process-name.ts': leaves,
  'src/process-counts.ts': leaves,
  'src/dead-processes.ts': ['src/process-name.ts', ...contracts, ...leaves],
  'src/entry-limits.ts': leaves,
  'src/cache-options.ts': ['src/entry-key.ts', 'src/entry-limits.ts', ...middle, ...leaves],
  'src/entry-key.ts': [...contracts, ...leaves],
  'src/stream-url.ts': [...entry, ...contracts, ...leaves],
  'src/entry-info.ts': [...contracts, ...leaves],
  'src/cached-entry.ts': [...entry, ...middle, ...leaves],
  'src/proxy/': [...facade, ...middle, ...leaves],
  'src/api/': [...facade, ...middle, 'src/config/', ...leaves],
  'src/server.ts': ['src/proxy/', 'src/api/', ...facade, ...middle, 'src/config/', ...leaves],
  'src/serving-file-cache.ts': ['src/server.ts', 'src/proxy/', 'src/api/', ...facade, ...middle, 'src/config/', ...leaves],
  'src/cli/': ['src/server.ts', ...facade, ...middle, 'src/config/', ...leaves],
  'src/testing/': [...contracts, ...leaves],
};
// The library's face: everything but the command line.
layers['src/index.ts'] = Object.keys(layers).filter((layer) => layer !== 'src/cli/');

/** @param {string[]} places */
const any = (places) => `^(?:${places.map((place) => place.replace(/\.ts$/, '\\.ts$')).join('|')})`;

module.exports = {
  forbidden: [
    ...Object.entries(layers).map(([layer, below]) => ({
      name: `layer ${layer.slice('src/'.length)}`,
      comment: `${layer} may import itself${below.length > 0 ? `, ${below.join(', ')}` : ''}, and nothing else of src.`,
      severity: 'error',
      from: { path: any([layer]) },
      to: { path: '^src/', pathNot: any([layer, ...below]) },
    })),
    {
      name: 'unknown layer',
      comment: 'This file belongs to no layer of .dependency-cruiser.cjs: put it in one, or give the new layer its place there.',
      severity: 'error',
      from: { path: '^src/', pathNot: any(Object.keys(layers)) },
      to: {},
    },
    {
      name: 'core is pure',
      comment: 'core computes: no packages, no Node built-ins.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { pathNot: '^src/' },
    },
    {
      name: 'src stands alone',
      comment: 'The product imports its own sources, packages and Node built-ins.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(?:dist|test|bench|scripts|dashboard)/' },
    },
    {
      name: 'only declared packages',
      comment: 'A package that src needs belongs in "dependencies" of package.json. Types alone may come from a development package.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'dashboard knows API types only',
      comment: 'The web page imports types of src/api/, and nothing else of src.',
      severity: 'error',
      from: { path: '^dashboard/' },
      to: { path: '^src/', pathNot: '^src/api/' },
    },
    {
      name: 'dashboard imports no code of src',
      comment: 'What the page takes from src/api/ is types: import type.',
      severity: 'error',
      from: { path: '^dashboard/' },
      to: { path: '^src/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no cycle',
      comment: 'Imports, of types too, never lead back to where they start.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no orphan',
      comment: 'A file that imports nothing and that nothing imports is not part of the product.',
      severity: 'error',
      from: { orphan: true, path: '^src/' },
      to: {},
    },
    {
      name: 'resolvable',
      comment: 'The imported file or package does not exist. (A built-in of a newer Node may be loaded where it exists.)',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^node:' },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'node', 'default'] },
  },
};
