// A map file that lies on this machine, beneath the photos.
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { everywhere, mapFile, plainPicture, vectorTile } from '../dev/pmtiles.mjs';
import { town } from '../dev/town.mjs';
import { visit } from './gallery.mjs';
import { heard, test, toGrid, violations } from './steps.mjs';

const folder = mkdtempSync(join(tmpdir(), 'safelight-map-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const written = (name, bytes) => { const path = join(folder, name); writeFileSync(path, bytes); return path; };

/** How many of a grid of points on the map have a colour: `[red, green, blue]`, or the name of one of its own. */
const share = (page, colour) => page.evaluate((wanted) => {
  const canvas = document.querySelector('.map canvas');
  if (!canvas) return 0;
  const context = canvas.getContext('2d');
  let [red, green, blue] = wanted;
  if (typeof wanted === 'string') {
    const one = document.createElement('canvas').getContext('2d');
    one.fillStyle = getComputedStyle(canvas).getPropertyValue(`--${wanted}`);
    one.fillRect(0, 0, 1, 1);
    [red, green, blue] = one.getImageData(0, 0, 1, 1).data;
  }
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let hits = 0;
  for (let at = 0; at < data.length; at += 4) if (Math.abs(data[at] - red) + Math.abs(data[at + 1] - green) + Math.abs(data[at + 2] - blue) < 6) hits++;
  return hits / (data.length / 4);
}, colour);
const until = async (page, colour, least, said) => {
  const end = Date.now() + 15_000;
  let found = 0;
  do { found = await share(page, colour); if (found >= least) return; await page.waitForTimeout(100); } while (Date.now() < end);
  assert.fail(`${said}: ${colour} covers ${(found * 100).toFixed(1)} % of the map`);
};
async function choose(page, path) {
  await page.getByRole('combobox', { name: /map file/i }).fill(path);
  await page.keyboard.press('Enter');
}

test('a map file of vectors is drawn beneath the photos, in light and dark, with its names and its makers', async ({ page, wrong, pictures }) => {
  const tile = (z, x, y) => vectorTile({
    earth: [{ shape: 'area', parts: [[-64, -64, 4160, -64, 4160, 4160, -64, 4160]], properties: { kind: 'earth' } }],
    landcover: [{ shape: 'area', parts: [[-64, -64, 4160, -64, 4160, 4160, -64, 4160]], properties: { kind: 'forest' } }],
    places: [0, 1, 2, 3].map((at) => ({ shape: 'point', parts: [[700 + at * 900, 2048]], properties: { name: `Place ${z} ${x} ${y} ${at}`, kind: 'locality', population_rank: 12, min_zoom: 0 } })),
  });
  const path = written('green.pmtiles', mapFile('vector', everywhere(3, tile), { attribution: '<b>Nobody</b> &copy; <script>alert(1)</script>' }));
  await visit(page, '/places');
  await page.waitForSelector('.map canvas');
  assert.equal(await share(page, 'green'), 0);
  await choose(page, path);
  await heard(page, /shows this file now/);
  await until(page, 'green', 0.5, 'the tiles are not drawn');
  await until(page, 'label', 0.0005, 'no name is drawn');
  assert.match(await page.locator('.map .source').innerText(), /^Nobody © alert\(1\) · Natural Earth/);
  await page.emulateMedia({ colorScheme: 'dark' });
  await until(page, 'green', 0.5, 'the tiles are not drawn in the dark');
  await page.emulateMedia({ colorScheme: 'light' });
  // Deeper than the file goes, its deepest tiles are drawn larger.
  await page.locator('.map').focus();
  for (let step = 0; step < 4; step++) await page.keyboard.press('+');
  await until(page, 'green', 0.5, 'the tiles are not drawn closer by');
  assert.deepEqual(await violations(page), []);
  await pictures('map-file');
  assert.deepEqual(wrong, []);
});

test('a map file of pictures is drawn, one that has gone is said, and none is needed', async ({ page, wrong }) => {
  const path = written('blue.pmtiles', mapFile('raster', everywhere(3, () => plainPicture(256, [51, 102, 204])), { attribution: 'Pictures by nobody' }));
  await visit(page, '/places');
  await choose(page, path);
  await until(page, [51, 102, 204], 0.5, 'the pictures are not drawn');
  await page.getByText('Map of pictures').waitFor();
  renameSync(path, `${path}.away`);
  await page.reload();
  await page.getByText('This file is not there any more').waitFor();
  await until(page, 'sea', 0.02, 'the coastlines are not drawn');
  assert.equal(await share(page, [51, 102, 204]), 0);
  renameSync(`${path}.away`, path);
  await page.reload();
  await until(page, [51, 102, 204], 0.5, 'the pictures are not drawn again');
  await page.getByRole('button', { name: 'Coastlines only' }).click();
  await heard(page, /coastlines only/);
  await until(page, 'sea', 0.02, 'the coastlines are not drawn');
  assert.equal(await page.getByText('Pictures by nobody').count(), 0);
  assert.deepEqual(wrong, []);
});

test('what is no map file is refused with a reason, and a spoilt one leaves the coastlines', async ({ page, wrong }) => {
  await visit(page, '/places');
  await choose(page, written('words.pmtiles', 'These are words.'));
  await page.getByRole('alert').filter({ hasText: 'words.pmtiles' }).waitFor();
  const spoilt = mapFile('vector', everywhere(2, () => Buffer.from('this is no tile')));
  await choose(page, written('spoilt.pmtiles', spoilt));
  await page.getByText('Parts of this file cannot be read').waitFor();
  await until(page, 'sea', 0.02, 'the coastlines are not drawn');
  await page.getByRole('button', { name: 'Coastlines only' }).click();
  await heard(page, /coastlines only/);
  assert.deepEqual(wrong, []);
});

test('a town is drawn with its streets, in the dark and on a telephone as well', async ({ page, wrong, pictures, again, browser }) => {
  const cellsNow = () => page.evaluate(async () => (await (await fetch('/api/v1/map?south=-85&north=85&west=-180&east=180&zoom=9', { headers: { 'x-safelight': sessionStorage.getItem('safelight-secret') } })).json()).cells);
  let cells = await cellsNow();
  if (cells.length === 0) {
    // Drawn pictures know no place: one is told where it was taken.
    await visit(page, '/');
    await page.reload();
    await toGrid(page);
    await page.keyboard.press('l');
    const dialog = page.getByRole('dialog');
    await dialog.getByPlaceholder('38.7169, -9.1399').fill('38.7169, -9.1399');
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'detached' });
    cells = await cellsNow();
  }
  assert.ok(cells.length > 0, 'no photo says where it was taken');
  const closer = async (page) => {
    // To the photo in whose town it is: where the greatest mark lies, until it cannot be divided.
    for (let step = 0; step < 12; step++) {
      // A mark that stands for several divides when what is there is known, and the next step goes to one of them.
      const answered = page.waitForResponse((answer) => answer.url().includes('/api/v1/map?'), { timeout: 1_000 }).catch(() => null);
      await page.evaluate(() => { const map = document.querySelector('.map'); const box = map.getBoundingClientRect(); const mark = [...map.querySelectorAll('.cell')][0]?.getBoundingClientRect(); map.focus(); map.dispatchEvent(new WheelEvent('wheel', { deltaY: -240, clientX: mark ? mark.x + mark.width / 2 : box.x + box.width / 2, clientY: mark ? mark.y + mark.height / 2 : box.y + box.height / 2, cancelable: true, bubbles: true })); });
      await answered;
      await page.waitForTimeout(150);
    }
  };
  // The town lies where that leads to, of all the places where photos were taken.
  await visit(page, '/');
  await visit(page, '/places');
  await page.locator('.map .cell').first().waitFor();
  await closer(page);
  const [lat, lon] = (await page.locator('.map .cell').first().getAttribute('aria-label')).match(/-?\d+[.,]\d\d/g).map((text) => Number(text.replace(',', '.')));
  await visit(page, '/');
  await visit(page, '/places');
  await page.locator('.map .cell').first().waitFor();
  await choose(page, written('town.pmtiles', town(lat, lon)));
  await heard(page, /shows this file now/);
  await page.locator('.map').focus();
  await closer(page);
  await until(page, 'road', 0.003, 'no street is drawn');
  // The picture shall show all of it, not only what came first.
  await page.waitForTimeout(1_500);
  await pictures('map-town');
  await page.emulateMedia({ colorScheme: 'dark' });
  await until(page, 'road', 0.003, 'no street is drawn in the dark');
  await pictures('map-town-dark');
  await page.emulateMedia({ colorScheme: 'light' });
  const phone = await again(browser, { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true });
  await visit(phone.page, '/places');
  await phone.page.locator('.map .cell').first().waitFor();
  await closer(phone.page);
  // Where photos were taken at several places, a smaller map divides them in another way, and leads to another of them.
  if (cells.length === 1) await until(phone.page, 'road', 0.003, 'no street is drawn on a telephone');
  assert.deepEqual(await phone.page.evaluate(() => [...document.querySelectorAll('.page, main')].filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.className)), []);
  await pictures('map-town-phone', phone.page);
  await phone.page.locator('#map-file').scrollIntoViewIfNeeded();
  await pictures('map-town-phone-file', phone.page);
  await phone.context.close();
  await page.getByRole('button', { name: 'Coastlines only' }).click();
  await heard(page, /coastlines only/);
  assert.deepEqual(wrong, []);
});

test('a photo that has a position shows it on a small map in its information, which leads to the same place on the large one', async ({ page, wrong, pictures, origin }) => {
  await visit(page, '/places');
  await page.locator('.countries li li a').first().click();
  await page.waitForSelector('[role=gridcell] .pick');
  await page.locator('[role=gridcell]').first().focus();
  await page.keyboard.press('Enter');
  await page.locator('dialog[open] .stage').waitFor();
  await page.keyboard.press('i');
  const small = page.getByRole('link', { name: 'See it on the map' });
  await small.locator('canvas').waitFor();
  await page.waitForFunction(() => {
    const canvas = document.querySelector('aside a canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return new Set(Array.from({ length: data.length / 4 }, (_, at) => data.slice(at * 4, at * 4 + 3).join())).size > 1;
  });
  assert.deepEqual(await violations(page), []);
  await pictures('viewer-map');
  await small.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Places', level: 1 }).waitFor();
  assert.match(page.url(), new RegExp(`^${origin}/places\\?at=-?[0-9.]+,-?[0-9.]+$`));
  await page.waitForSelector('.map .cell');
  const middle = await page.evaluate(() => {
    const map = document.querySelector('.map').getBoundingClientRect();
    return [...document.querySelectorAll('.map .cell')].some((cell) => { const at = cell.getBoundingClientRect(); return Math.hypot(at.x + at.width / 2 - map.x - map.width / 2, at.y + at.height / 2 - map.y - map.height / 2) < 60; });
  });
  assert.ok(middle, 'the photo is in the middle of the large map');
  assert.deepEqual(wrong, []);
});

test('countries are called in the reader’s language', async ({ browser, again }) => {
  const { page, context } = await again(browser, { locale: 'de-DE' });
  await visit(page, '/places');
  await page.locator('.countries h2 a').first().waitFor();
  const [shown, expected] = await page.evaluate(async () => {
    const places = await (await fetch('/api/v1/places', { headers: { 'x-safelight': sessionStorage.getItem('safelight-secret') } })).json();
    const german = new Intl.DisplayNames(['de'], { type: 'region' });
    return [[...document.querySelectorAll('.countries h2 a:not([href*="has%3Agps"])')].map((one) => one.textContent), [...new Set(places.filter((one) => one.country_code).map((one) => german.of(one.country_code)))]];
  });
  assert.deepEqual(shown.sort(), expected.sort());
  assert.ok(shown.length > 0);
  await context.close();
});
