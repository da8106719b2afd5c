import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../../../scripts/debian-packages.mjs';
import { run, runToSuccess } from '../../support/child-process.ts';
import { type Film, type Films, makeFilms } from '../../support/films.ts';
import { programPath } from '../../support/require-program.ts';
import { FIXTURES, type PlayerFixture } from '../fixture.ts';
import { playChromium } from './play-chromium.ts';
import { playMpv } from './play-mpv.ts';
import { RecordingServer } from './recording-server.ts';

/** Four times what the films need to play: a player is seconds ahead of itself when it seeks, and far from the end. */
const RATE = 2 * 1024 * 1024;
/** Seconds of a film. */
const LENGTH = 60;
/** What each player decodes, at about 4 Mbit/s. */
const H264 = [
  'libx264',
  '-preset',
  'ultrafast',
  '-b:v',
  '4M',
  '-minrate',
  '4M',
  '-maxrate',
  '4M',
  '-bufsize',
  '4M',
  '-g',
  '25',
  '-pix_fmt',
  'yuv420p',
];
/** A player plays a little, seeks to 60 %, and back to 10 %. */
const PLACES = [0, 0.6 * LENGTH, 0.1 * LENGTH];
/** Seconds that it plays at each place. */
const PLAYED = 2;

interface Story {
  /** The fixture's name. */
  readonly name: string;
  readonly player: string;
  readonly story: string;
  readonly film: Film;
  play(url: string, folder: string): Promise<unknown>;
}

async function version(program: string, option: string): Promise<string> {
  const { stdout } = await run(program, [option]);
  return /^\S+ (?:version )?[\d.]+/.exec(stdout)?.[0].replace(' version', '') ?? program;
}

async function storiesOf(films: Films): Promise<Story[]> {
  const [mpv, ffmpeg, ffprobe] = [programPath('mpv'), programPath('ffmpeg'), programPath('ffprobe')];
  const chromium = findProgram('chromium');
  if (chromium === undefined) throw new Error('chromium not found: apt-get install chromium');
  const [mpvName, ffmpegName, chromiumName] = [
    await version(mpv, '--version'),
    await version(ffmpeg, '-version'),
    await version(chromium, '--version'),
  ];
  const stories: Story[] = [];
  for (const film of [films.moovTail, films.faststart, films.matroska]) {
    const name = film.name.replace(/\.\w+$/, '');
    const told = `plays ${PLAYED} s, seeks to 60 %, plays ${PLAYED} s, seeks to 10 %, plays ${PLAYED} s, leaves`;
    const at = String(PLACES[1]);
    stories.push({
      ...{ name: `mpv-${name}`, player: mpvName, story: told, film },
      play: (url, folder) => playMpv(url, PLACES, PLAYED, folder),
    });
    stories.push({
      ...{ name: `mpv-start-${name}`, player: mpvName, story: `--start at 60 %, plays ${PLAYED} s, leaves`, film },
      play: (url, folder) => playMpv(url, PLACES.slice(1, 2), PLAYED, folder),
    });
    stories.push({
      ...{ name: `ffmpeg-${name}`, player: ffmpegName, story: '-ss at 60 % before -i, decodes 50 pictures, leaves', film },
      play: (url) =>
        runToSuccess(ffmpeg, ['-nostdin', '-v', 'error', '-ss', at, '-i', url, '-map', '0:v:0', '-frames:v', '50', '-f', 'null', '-']),
    });
    stories.push({
      ...{ name: `ffprobe-${name}`, player: ffmpegName.replace('ffmpeg', 'ffprobe'), story: 'shows format and streams', film },
      play: (url) => runToSuccess(ffprobe, ['-v', 'error', '-show_format', '-show_streams', url]),
    });
    if (film === films.matroska) continue;
    stories.push({
      ...{ name: `chromium-${name}`, player: chromiumName, story: told, film },
      play: (url, folder) => playChromium(chromium, url, PLACES, PLAYED, folder),
    });
  }
  return stories;
}

async function record({ name, player, story, film, play }: Story, folder: string): Promise<void> {
  const own = join(folder, name);
  await mkdir(own);
  const server = await RecordingServer.start(film, RATE);
  try {
    await play(server.url, own);
  } finally {
    const requests = await server.stop();
    const { name: filmName, size, duration } = film;
    const fixture: PlayerFixture = { player, story, film: { name: filmName, size, seconds: duration }, rate: RATE, requests };
    await writeFile(join(FIXTURES, `${name}.json`), `${JSON.stringify(fixture, null, 2)}\n`);
    console.log(`${name}: ${requests.map(({ headers, taken, end }) => `${headers.range ?? 'whole'} ${end} after ${taken}`).join(', ')}`);
  }
}

/** Records every story whose name holds one of `wanted`; all when there is none. */
export async function recordPlayers(wanted: readonly string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'seekwell-recording-'));
  try {
    await mkdir(FIXTURES, { recursive: true });
    const films = await makeFilms(folder, { seconds: LENGTH, encoder: H264 });
    for (const story of await storiesOf(films)) {
      if (wanted.length === 0 || wanted.some((part) => story.name.includes(part))) await record(story, folder);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
