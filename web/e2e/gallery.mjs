// Starts the real binary on a library of its own, and a browser on the gallery; both end with the test run.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { chromium } from 'playwright-core';

export const PASSPHRASE = 'a lamp for the darkroom';
const binary = process.env.SAFELIGHT_BIN;
const CHROMIUM = [process.env.SAFELIGHT_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];
export const browserPath = CHROMIUM.find((path) => path && existsSync(path));

export class Library {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'safelight-gallery-'));
    this.path = join(this.folder, 'library');
    this.pass = join(this.folder, 'passphrase');
    writeFileSync(this.pass, `${PASSPHRASE}\n`, { mode: 0o600 });
  }

  /** Runs a command on this library, and fails with what it said. */
  run(...words) {
    const ran = spawnSync(binary, ['--library', this.path, ...words], { env: this.env(), encoding: 'utf8', timeout: 600_000 });
    if (ran.status !== 0 && ran.status !== 1) throw new Error(`safelight ${words.join(' ')}: ${ran.status}\n${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  }

  env() { return { ...process.env, SAFELIGHT_PASSPHRASE_FILE: this.pass, XDG_RUNTIME_DIR: this.folder, XDG_CONFIG_HOME: join(this.folder, 'config') }; }

  /** Makes the library from what is given, and files with names that mean harm beside it. */
  make(corpus, drawn) {
    const photos = join(this.folder, 'photos');
    mkdirSync(photos);
    if (corpus) cpSync(corpus, photos, { recursive: true });
    drawn(photos);
    this.run('init', '--recovery-file', join(this.folder, 'words'));
    this.run('import', photos, '--yes');
  }

  serve(more = {}, ...words) {
    const child = spawn(binary, ['--library', this.path, 'serve', '--no-open', '--no-lan', ...words], { env: { ...this.env(), ...more }, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const heard = () => said;
    const address = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`serve said no address:\n${said}`)), 60_000);
      const hear = (piece) => {
        said += piece;
        const found = /http:\/\/localhost:\d+\/#t=\S+/.exec(said);
        if (found) { clearTimeout(timer); resolve(found[0]); }
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.on('exit', (code) => { clearTimeout(timer); reject(new Error(`serve ended with ${code}:\n${said}`)); });
    });
    return { child, address, heard, stop: () => new Promise((resolve) => { if (child.exitCode !== null) return resolve(); child.once('exit', resolve); child.kill('SIGINT'); setTimeout(() => child.kill('SIGKILL'), 8_000).unref(); }) };
  }

  // Who makes previews in the background may write there for a moment yet, after a short run above all.
  remove() {
    for (let tries = 0; ; tries++) {
      try { return rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }); } catch (error) {
        if (error.code !== 'ENOTEMPTY' || tries === 20) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
      }
    }
  }
}

const LONG_AGO = new Date('2001-06-01T12:00:00Z');

/** A Live Photo as telephones write it: a JPEG and a film that carry the same identifier. Answers whether ffmpeg drew it. */
export function drawLivePair(folder, name, identifier) {
  const ffmpeg = (...words) => spawnSync('ffmpeg', ['-v', 'error', '-y', ...words], { encoding: 'utf8' });
  const photo = join(folder, `${name}.JPG`);
  const film = join(folder, `${name}.MOV`);
  const source = ['-f', 'lavfi', '-i', 'testsrc2=size=640x480:rate=24'];
  const drawn = ffmpeg(...source, '-frames:v', '1', photo);
  if (drawn.error) return false;
  const filmed = ffmpeg(...source, '-f', 'lavfi', '-i', 'sine=frequency=440', '-t', '1.500', '-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-c:a', 'aac',
    '-movflags', '+faststart+use_metadata_tags', '-metadata', `com.apple.quicktime.content.identifier=${identifier}`, film);
  if (drawn.status !== 0 || filmed.status !== 0) throw new Error(`ffmpeg: ${drawn.stderr}${filmed.stderr}`);
  writeFileSync(photo, withAppleNote(readFileSync(photo), identifier));
  // Of long ago: what tests take first from the timeline is one file.
  for (const half of [photo, film]) utimesSync(half, LONG_AGO, LONG_AGO);
  return true;
}

/** A picture of grey noise, too large to be packed with others; other seeds are other files. */
export function drawNoise(folder, name, seed) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const sizes = Buffer.alloc(8);
    sizes.writeUInt32BE(data.length);
    sizes.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([sizes.subarray(0, 4), body, sizes.subarray(4)]);
  };
  const width = 480;
  const side = Buffer.alloc(4);
  side.writeUInt32BE(width);
  const rows = Buffer.alloc(width * (width + 1));
  let state = seed;
  for (let at = 0; at < rows.length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    rows[at] = at % (width + 1) === 0 ? 0 : state >>> 24;
  }
  const header = Buffer.concat([side, side, Buffer.from([8, 0, 0, 0, 0])]);
  writeFileSync(join(folder, name), Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]));
}

/** Videos that Chromium does not play, of long ago: one that is HEVC, and one of which it would play the sound alone. Answers whether ffmpeg drew them. */
export function drawFilms(folder) {
  const ffmpeg = (...words) => spawnSync('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', ...words], { encoding: 'utf8' });
  const source = (seed) => `gradients=size=320x180:rate=12:speed=0.02:seed=${seed},noise=alls=30:allf=t`;
  const hevc = ffmpeg('-i', source(7), '-t', '60', '-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none', '-pix_fmt', 'yuv420p',
    '-metadata', 'creation_time=1999-05-01T10:00:00Z', join(folder, 'CONVERTED_HEVC.mp4'));
  if (hevc.error || hevc.status !== 0) return false;
  const old = ffmpeg('-i', source(21), '-f', 'lavfi', '-i', 'sine=frequency=330', '-t', '6', '-c:v', 'mpeg4', '-pix_fmt', 'yuv420p', '-c:a', 'aac',
    '-metadata', 'creation_time=1999-05-02T10:00:00Z', join(folder, 'CONVERTED_OLD.mp4'));
  // Pictures that browsers play, with a sound that they do not.
  const mute = ffmpeg('-i', source(33), '-f', 'lavfi', '-i', 'sine=frequency=350', '-t', '6', '-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-c:a', 'ac3',
    '-metadata', 'creation_time=1999-05-03T10:00:00Z', join(folder, 'CONVERTED_MUTE.mp4'));
  return old.status === 0 && mute.status === 0;
}

/** Puts EXIF with a note of Apple's, which holds the identifier, behind the first two bytes of a JPEG. */
function withAppleNote(jpeg, identifier) {
  const text = Buffer.from(`${identifier}\0`);
  const words = (...numbers) => { const bytes = Buffer.alloc(numbers.length * 2); numbers.forEach((number, at) => bytes.writeUInt16BE(number, at * 2)); return bytes; };
  const long = (number) => words(number >>> 16, number & 0xffff);
  // Offsets in the note count from its own beginning.
  const note = Buffer.concat([Buffer.from('Apple iOS\0\0\x01MM'), words(1, 0x11, 2), long(text.length), long(32), long(0), text]);
  const maker = Buffer.from('Apple\0');
  const exifAt = 8 + 2 + 2 * 12 + 4;
  const makerAt = exifAt + 2 + 12 + 4;
  const tiff = Buffer.concat([
    Buffer.from('MM'), words(42), long(8),
    words(2, 0x010f, 2), long(maker.length), long(makerAt), words(0x8769, 4), long(1), long(exifAt), long(0),
    words(1, 0x927c, 7), long(note.length), long(makerAt + maker.length), long(0),
    maker, note,
  ]);
  const exif = Buffer.concat([Buffer.from('Exif\0\0'), tiff]);
  return Buffer.concat([jpeg.subarray(0, 2), words(0xffe1, exif.length + 2), exif, jpeg.subarray(2)]);
}

/** The stand-in server with made-up photos, for what no library that is quickly made can show. */
export function standIn(photos, env = {}) {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../dev/mock.mjs'), String(photos)], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  const address = new Promise((resolve, reject) => {
    child.stdout.on('data', (piece) => resolve(String(piece).trim()));
    child.on('exit', (code) => reject(new Error(`the stand-in ended with ${code}`)));
  });
  return { address, stop: async () => { child.kill(); } };
}

export const launch = () => chromium.launch({ executablePath: browserPath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--force-color-profile=srgb', '--js-flags=--expose-gc'] });

/** A page that remembers everything it should not have seen: foreign requests, console errors, exceptions. */
export async function open(browser, address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const wrong = [];
  const origin = new URL(address).origin;
  page.on('request', (request) => { if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith('blob:')) wrong.push(`foreign request: ${request.url()}`); });
  // What a test asks for on purpose may be refused; a walk that asks for nothing of the kind lets none of it pass (console.mjs).
  page.on('console', (message) => { if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) wrong.push(`console: ${message.text()} ${message.location().url}`); });
  page.on('pageerror', (error) => wrong.push(`exception: ${error.stack ?? error}`));
  page.on('dialog', (dialog) => { wrong.push(`a script opened a dialog: ${dialog.message()}`); void dialog.dismiss(); });
  await page.goto(address);
  await page.waitForSelector('[role=grid], main');
  return { context, page, wrong };
}

/** Goes to a page of the gallery as its own links do. */
export async function visit(page, path) {
  await page.evaluate((to) => { history.pushState({ inside: true }, '', to); dispatchEvent(new PopStateEvent('popstate')); }, path);
  await page.waitForTimeout(500);
}
