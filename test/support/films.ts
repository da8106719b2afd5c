import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run, runToSuccess } from './child-process.ts';
import { programPath } from './require-program.ts';

export interface Film {
  /** The file's name, e.g. `moov-tail.mp4`. */
  readonly name: string;
  readonly path: string;
  /** Bytes: several 4 MiB chunks. */
  readonly size: number;
  /** Seconds. */
  readonly duration: number;
}

export interface Films {
  /** The folder they are in. */
  readonly folder: string;
  /** An mp4 whose index is behind the pictures: a player asks for the head, then the tail, then seeks. */
  readonly moovTail: Film;
  /** An mp4 whose index comes first. */
  readonly faststart: Film;
  /** A Matroska file: its index (cues) is behind the pictures, too. */
  readonly matroska: Film;
}

export interface FilmOptions {
  /** 40 unless told: about 18 MB a film with the default encoder. */
  readonly seconds?: number;
  /** What ffmpeg encodes the pictures with. Unless told an encoder that each ffmpeg has, and two key frames a second, so that seeks are quick. */
  readonly encoder?: readonly string[];
}

export type FilmName = Exclude<keyof Films, 'folder'>;

const QUIET = ['-nostdin', '-hide_banner', '-v', 'error'] as const;

async function filmAt(folder: string, name: string, duration: number): Promise<Film> {
  const path = join(folder, name);
  return { name, path, size: (await stat(path)).size, duration };
}

/**
 * Makes the three films in `folder` with ffmpeg: the same pictures and sound in three containers, in two or three seconds unless told otherwise.
 * Every picture differs from every other.
 */
export async function makeFilms(folder: string, options: FilmOptions = {}): Promise<Films> {
  const { seconds = 40, encoder = ['mpeg4', '-q:v', '2', '-g', '12'] } = options;
  const encoded = join(folder, 'moov-tail.mp4');
  const pictures = ['-f', 'lavfi', '-i', `testsrc2=size=640x360:rate=25:duration=${seconds}`];
  const sound = ['-f', 'lavfi', '-i', `sine=frequency=440:duration=${seconds}`];
  await runToSuccess(programPath('ffmpeg'), [...QUIET, ...pictures, ...sound, '-c:v', ...encoder, '-c:a', 'aac', encoded]);
  const copied = ['-i', encoded, '-map', '0', '-c', 'copy'];
  await runToSuccess(programPath('ffmpeg'), [...QUIET, ...copied, '-movflags', '+faststart', join(folder, 'faststart.mp4')]);
  await runToSuccess(programPath('ffmpeg'), [...QUIET, ...copied, join(folder, 'matroska.mkv')]);
  return {
    folder,
    moovTail: await filmAt(folder, 'moov-tail.mp4', seconds),
    faststart: await filmAt(folder, 'faststart.mp4', seconds),
    matroska: await filmAt(folder, 'matroska.mkv', seconds),
  };
}

/** Decodes `frames` pictures from `seekSeconds` on with ffmpeg, as a player would after a seek, and returns a hash of each. */
export async function frameHashes(urlOrPath: string, seekSeconds: number, frames: number): Promise<string[]> {
  const seek = ['-ss', String(seekSeconds), '-i', urlOrPath];
  const output = await runToSuccess(programPath('ffmpeg'), [
    ...QUIET,
    ...seek,
    '-map',
    '0:v:0',
    '-frames:v',
    String(frames),
    '-f',
    'framemd5',
    '-',
  ]);
  const lines = output.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => line.split(',').at(-1)?.trim() ?? '');
}

/** What mpv did. */
export interface Played {
  readonly code: number | null;
  /** A hash of each picture that it showed. */
  readonly pictures: readonly string[];
  /** What it said. */
  readonly output: string;
}

/**
 * Plays `frames` pictures (null: all to the end) from `seekSeconds` on with mpv as it comes, without a window: the pictures go to `folder`,
 * which must be missing or empty, as fast as they are decoded.
 */
export async function playWithMpv(urlOrPath: string, seekSeconds: number, frames: number | null, folder: string): Promise<Played> {
  const headless = ['--no-config', '--ao=null', '--untimed', '--vo=image', '--vo-image-format=png', '--vo-image-png-compression=1'];
  const part = [`--start=${seekSeconds}`, ...(frames === null ? [] : [`--frames=${frames}`])];
  const { code, stdout, stderr } = await run(programPath('mpv'), [...headless, `--vo-image-outdir=${folder}`, ...part, '--', urlOrPath]);
  // mpv makes the folder when it shows the first picture.
  const names = await readdir(folder).catch(() => []);
  const pictures = await Promise.all(
    names.sort().map(async (name) =>
      createHash('md5')
        .update(await readFile(join(folder, name)))
        .digest('hex'),
    ),
  );
  return { code, pictures, output: stdout + stderr };
}
