import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as programs from './programs.mjs';
import { answers, freePort, newFolder, start } from './started-things.mjs';

// nginx in its two parts: the origin with real files, and the peer that caches slices.

/** @typedef {{ url: string, pid: number, stop: () => Promise<void> }} Nginx */

/** Whether nginx is there and can cache slices; else why not. */
export function whyNoNginx() {
  if (programs.find('nginx') === null) return programs.missing('nginx');
  if (programs.output('nginx', ['-V']).includes('with-http_slice_module')) return null;
  return 'nginx was built without the slice module; to install one that has it: apt-get install nginx-light';
}

/** Serves the files of `root`. @param {string} root @returns {Promise<Nginx>} */
export function startFileOrigin(root) {
  return startNginx(newFolder('nginx-origin'), 2, '', `root ${root}; autoindex on;`);
}

/**
 * The peer: slices of 1 MiB, each fetched once whoever asks for it.
 * @param {string} originUrl @param {{ workers?: number, folder?: string }} [options] folder: an earlier one, to start again on its cache
 * @returns {Promise<Nginx & { folder: string }>}
 */
export async function startSliceCache(originUrl, { workers = 1, folder = newFolder('nginx-slice') } = {}) {
  const http = `
    proxy_cache_path ${folder}/cache levels=1:2 keys_zone=slices:32m max_size=100g inactive=1d use_temp_path=off;
    upstream origin { server ${new URL(originUrl).host}; keepalive 32; }`;
  const location = `
    slice 1m;
    proxy_cache slices; proxy_cache_key $uri$slice_range; proxy_cache_valid 200 206 1d; proxy_cache_lock on; proxy_cache_lock_timeout 60s;
    proxy_set_header Range $slice_range; proxy_set_header Connection ""; proxy_http_version 1.1;
    proxy_pass http://origin;`;
  return { ...(await startNginx(folder, workers, http, location)), folder };
}

/** @param {string} folder @param {number} workers @param {string} http @param {string} location @returns {Promise<Nginx>} */
async function startNginx(folder, workers, http, location) {
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ');
  // Workers of an nginx that root starts belong to somebody else, who may not read the folders here.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  mkdirSync(join(folder, 'cache'), { recursive: true });
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${user} worker_processes ${workers}; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log warn;
    events { worker_connections 4096; }
    http {
      access_log off; sendfile on; keepalive_requests 1000000; default_type application/octet-stream; ${temporary}
      ${http}
      server { listen 127.0.0.1:${port} backlog=1024; location / { ${location} } }
    }`,
  );
  const started = start(programs.require('nginx'), ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')]);
  started.child.stderr?.pipe(process.stderr);
  const url = `http://127.0.0.1:${port}`;
  await answers(started, url);
  return { url, pid: started.pid, stop: started.stop };
}
