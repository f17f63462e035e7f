// Starts the real binary on a library of its own, and a browser on the gallery; both end with the test run.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

  serve() {
    const child = spawn(binary, ['--library', this.path, 'serve', '--no-open'], { env: this.env(), stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
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
    return { child, address, stop: () => new Promise((resolve) => { if (child.exitCode !== null) return resolve(); child.once('exit', resolve); child.kill('SIGINT'); setTimeout(() => child.kill('SIGKILL'), 8_000).unref(); }) };
  }

  remove() { rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }); }
}

/** The stand-in server with made-up photos, for what no library that is quickly made can show. */
export function standIn(photos) {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../dev/mock.mjs'), String(photos)], { stdio: ['ignore', 'pipe', 'inherit'] });
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
  page.on('console', (message) => { if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) wrong.push(`console: ${message.text()}`); });
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
