// What the tests share: how one is told, and the steps and questions that come up in many of them.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { visit } from './gallery.mjs';

/** Every test in the order in which its file was read. */
export const tests = [];
/** Tells a test: its name is a sentence; `run` gets what run.mjs has opened. */
export const test = (name, run) => tests.push({ name, run });
/** While the pages are being worked on: only what the stand-in can answer is asked, without the binary. */
export const mocked = process.env.SAFELIGHT_STAND_IN;
/** Every page that is reached from the menu. */
export const PAGES = ['/', '/albums', '/favourites', '/places', '/hidden', '/trash', '/import', '/connect', '/duplicates', '/conflicts', '/remotes', '/storage', '/thaw', '/devices', '/keys', '/history', '/privacy', '/settings'];
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Everything axe finds on the page as it stands. */
export async function violations(page) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return found.violations.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.target.join(' ')).join(' | ')} (${one.nodes.length})`);
}
export const focused = (page) => page.evaluate(() => { const at = document.activeElement; return { tag: at?.tagName ?? '', name: at?.getAttribute('aria-label') ?? at?.textContent?.trim() ?? '', role: at?.getAttribute('role') ?? '', index: at?.getAttribute('data-index') }; });
export const said = (page) => page.evaluate(() => [...document.querySelectorAll('[role=status].unseen')].map((one) => one.textContent).join(' '));
export const heard = (page, pattern) => page.waitForFunction((source) => [...document.querySelectorAll('[role=status]')].some((one) => new RegExp(source).test(one.textContent ?? '')), pattern.source);
/** The focus on the first photo, by keys alone. */
export async function toGrid(page) {
  await page.waitForSelector('[role=gridcell] img');
  await page.keyboard.press('Tab');
  assert.match((await focused(page)).name, /Skip/);
  await page.keyboard.press('Enter');
  assert.equal((await focused(page)).role, 'gridcell');
}

/** Goes on in the list until the photo that has the focus is called otherwise than those beside it. */
export async function toOneOfItsName(page) {
  const isAlone = () => page.evaluate(() => {
    const at = Number(document.activeElement.dataset.index);
    const name = (index) => document.querySelector(`[data-index="${index}"]`)?.getAttribute('aria-label')?.split(', ')[1];
    return name(at + 1) !== undefined && name(at) !== name(at + 1) && name(at) !== name(at - 1);
  });
  while (!(await isAlone())) await page.keyboard.press('ArrowRight');
}

/** The first two photos of the timeline chosen, by keys alone. */
export async function chooseTwo(page) {
  await visit(page, '/');
  await page.reload();
  await toGrid(page);
  await page.keyboard.press('Space');
  await page.keyboard.press('Shift+ArrowRight');
  await heard(page, /2 chosen/);
}

/** Lets the server do what is asked of it at once, and hear of it whoever listens, and holds its answer back for a while. Answers what ends that. */
export async function answersLate(page, path) {
  const hold = async (route) => {
    const answer = await route.fetch();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    // Whoever asked may be gone by then.
    await route.fulfill({ response: answer }).catch(() => {});
  };
  await page.route(path, hold);
  return () => page.unroute(path, hold);
}

/** Bytes of the JavaScript heap that are in use, after everything that can go has gone. */
export async function heapOf(page) {
  const debug = await page.context().newCDPSession(page);
  await debug.send('HeapProfiler.collectGarbage');
  await debug.send('HeapProfiler.collectGarbage');
  const { usedSize } = await debug.send('Runtime.getHeapUsage');
  await debug.detach();
  return usedSize;
}
