import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { directEnvironment, end } from '../../support/child-process.ts';

/** Nothing but the page's own requests leaves the browser, and a video plays unasked. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--mute-audio',
  '--autoplay-policy=no-user-gesture-required',
];
const DEADLINE_MS = 90_000;

/** A page that plays a video and seeks in it, and says so when it is done. */
function pageOf(url: string, places: readonly number[], seconds: number): string {
  return `<!doctype html><video muted src="${url}"></video><script>
    const video = document.querySelector('video');
    const report = (text) => fetch('/report', { method: 'POST', body: text });
    const played = (place) => new Promise((resolve) => {
      const look = () => {
        if (video.seeking || video.currentTime < place + ${seconds}) return;
        video.removeEventListener('timeupdate', look);
        resolve();
      };
      video.addEventListener('timeupdate', look);
    });
    video.addEventListener('error', () => report('error: ' + video.error.message));
    video.addEventListener('loadedmetadata', async () => {
      for (const place of ${JSON.stringify(places)}) {
        if (place > 0) video.currentTime = place;
        await video.play();
        await played(place);
      }
      report('done');
    }, { once: true });
  </script>`;
}

/** Plays `url` with a headless Chromium, as `playMpv` does; an address of its own for the page, so that only the film's requests reach the recording. */
export async function playChromium(
  program: string,
  url: string,
  places: readonly number[],
  seconds: number,
  folder: string,
): Promise<void> {
  const server = createServer();
  const reported = new Promise<string>((resolve) => {
    server.on('request', async (request, response) => {
      if (request.method !== 'POST') return response.setHeader('content-type', 'text/html').end(pageOf(url, places, seconds));
      const text = (await request.toArray()).join('');
      response.end();
      resolve(text);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const page = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const profile = `--user-data-dir=${join(folder, 'profile')}`;
  const chromium = spawn(program, [...FLAGS, profile, page], { env: directEnvironment(), stdio: 'ignore' });
  const late = setTimeout(() => chromium.kill('SIGTERM'), DEADLINE_MS);
  try {
    const said = await Promise.race([reported, once(chromium, 'exit').then(() => 'it ended')]);
    if (said !== 'done') throw new Error(`Chromium did not play: ${said}`);
  } finally {
    clearTimeout(late);
    await end(chromium, 'SIGTERM');
    server.closeAllConnections();
    server.close();
  }
}
