// The whole way by keys alone: import, find, album, duplicate, sync switch, trash, undo. The pointer is never touched.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { drawLivePair, Library, open } from './gallery.mjs';
import { focused, heard, mocked, test, violations } from './steps.mjs';

/** Photos of every kind that there is, a Live Photo, and one picture twice: whole, and saved again smaller. */
function drawPhotos(folder) {
  mkdirSync(folder);
  if (process.env.SAFELIGHT_CORPUS) cpSync(process.env.SAFELIGHT_CORPUS, join(folder, 'real'), { recursive: true });
  const live = drawLivePair(folder, 'LIVE_0007', '9D2F6C11-7A0E-4E53-8C44-2B7F1D9A5E66');
  const large = join(folder, 'harbour.jpg');
  for (const words of [['-f', 'lavfi', '-i', 'mandelbrot=size=1600x1200:start_scale=1.4', '-frames:v', '1', '-q:v', '2', large], ['-i', large, '-vf', 'scale=800:600', '-q:v', '7', join(folder, 'harbour small.jpg')]]) {
    const drawn = spawnSync('ffmpeg', ['-v', 'error', '-y', ...words], { encoding: 'utf8' });
    assert.equal(drawn.status, 0, drawn.stderr);
  }
  return live;
}

/** Presses Tab until what has the focus is named so; answers how often. */
async function tabTo(page, name, key = 'Tab') {
  for (let step = 1; step < 120; step++) {
    await page.keyboard.press(key);
    const at = await page.evaluate(() => { const one = document.activeElement; return (one?.getAttribute('aria-label') ?? one?.labels?.[0]?.textContent ?? one?.textContent ?? '').trim(); });
    if (typeof name === 'string' ? at === name : name.test(at)) return step;
  }
  return assert.fail(`Tab leads to ${name}, not only to ${JSON.stringify(await focused(page))}`);
}
/** Follows a link of the menu. */
async function menu(page, name, title = name) {
  await tabTo(page, name, 'Shift+Tab').catch(() => tabTo(page, name));
  await page.keyboard.press('Enter');
  await page.waitForFunction((title) => document.title.startsWith(title), title);
}
/** The focus into the grid. */
async function intoGrid(page) {
  await page.waitForSelector('[role=gridcell] img');
  await page.waitForTimeout(300);
  for (let step = 0; step < 60; step++) {
    if ((await focused(page)).role === 'gridcell') return;
    await page.keyboard.press('Tab');
  }
  assert.fail('Tab leads into the grid');
}

/** Every picture in the window is drawn. */
const drawn = (page) => page.waitForFunction(() => [...document.querySelectorAll('[role=gridcell]')].every((cell) => { const picture = cell.querySelector('img'); return picture ? picture.complete && picture.naturalWidth > 0 : cell.querySelector('.none') !== null; }));
/** Searches from wherever one is; `count` photos are found and drawn. */
async function find(page, q, count) {
  await page.keyboard.press('/');
  if ((await focused(page)).tag !== 'INPUT') { await menu(page, 'Photos'); await page.waitForSelector('#search'); await page.keyboard.press('/'); }
  await page.keyboard.press('Control+A');
  await page.keyboard.type(q);
  await page.keyboard.press('Enter');
  await page.waitForFunction((count) => document.querySelectorAll('[role=gridcell] img').length === count, count);
  await drawn(page);
}

test('the whole way by keys alone: import, find, album, duplicate, sync switch, trash, undo', async ({ browser, pictures }) => {
  if (mocked) return;
  const library = new Library();
  const photos = join(library.folder, 'photos');
  const live = drawPhotos(photos);
  mkdirSync(join(library.folder, 'cloud'));
  library.run('init', '--recovery-file', join(library.folder, 'words'));
  library.run('remote', 'add', 'cloud', `folder:${join(library.folder, 'cloud')}`, '--policy', 'selective');
  const served = library.serve();
  try {
    const { page, wrong, context } = await open(browser, await served.address);
    await page.exposeFunction('pointed', () => { wrong.push('the pointer was used'); });
    await page.evaluate(() => { for (const kind of ['pointerdown', 'mousedown']) addEventListener(kind, () => globalThis.pointed(), true); });
    const look = async (name) => { assert.deepEqual(await violations(page), [], name); await pictures(`journey-${name}`, page); };

    // Import: an empty library says what to do next.
    await page.getByRole('heading', { name: 'Your library is empty' }).waitFor();
    await look('1-empty');
    await tabTo(page, 'Import photos');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Import', exact: true }).waitFor();
    await tabTo(page, 'Folder on this machine');
    await page.keyboard.type(photos);
    await page.waitForTimeout(400);
    await page.keyboard.press('Escape');
    await page.keyboard.press('Enter');
    await page.getByRole('list', { name: 'Folders to import' }).getByText(photos, { exact: true }).waitFor();
    await look('2-import');
    await tabTo(page, 'Import');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Imported', exact: true }).waitFor({ timeout: 300_000 });
    await look('3-imported');

    // Photos of every kind are there, also of those that no browser shows by itself.
    if (process.env.SAFELIGHT_CORPUS) {
      for (const kind of ['format:heic', 'format:avif', 'format:jxl', 'type:raw', 'type:video']) assert.ok(JSON.parse(library.run('--json', 'list', '--count', kind)).count > 0, kind);
    }
    await menu(page, 'Photos');
    await intoGrid(page);
    await drawn(page);
    await look('4-photos');

    // Find: a Live Photo, which moves when its key says so.
    if (live) {
      await find(page, 'name:LIVE_0007.JPG', 1);
      await intoGrid(page);
      assert.match((await focused(page)).name, /Live/);
      await page.keyboard.press('Enter');
      await page.locator('dialog[open]').getByRole('button', { name: 'Live' }).waitFor();
      await page.keyboard.press('l');
      await page.locator('dialog video.begun').waitFor();
      await look('5-live');
      await page.waitForFunction(() => document.querySelector('dialog video') === null);
      await page.keyboard.press('Escape');
      await page.waitForFunction(() => document.querySelector('dialog') === null && document.activeElement?.getAttribute('role') === 'gridcell');
    }
    await find(page, 'name:harbour*', 2);
    await look('6-found');

    // Album.
    await intoGrid(page);
    if (!(await focused(page)).name.includes('harbour.jpg')) await page.keyboard.press('ArrowRight');
    assert.match((await focused(page)).name, /harbour\.jpg/);
    await page.keyboard.press('a');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.type('Journeys/The harbour');
    await page.waitForTimeout(300);
    await look('7-album');
    await page.keyboard.press('Enter');
    await heard(page, /in Journeys\/The harbour now/);
    await page.keyboard.press('Escape');

    // Duplicate: the smaller one is proposed for the trash.
    await menu(page, 'Duplicates');
    const group = page.getByRole('heading', { name: /Group \d+ of/ });
    await group.waitFor({ timeout: 60_000 });
    await tabTo(page, 'Duplicates');
    const names = () => page.locator('article').getByRole('heading').allTextContents();
    for (let step = 0; step < 80 && !(await names()).includes('harbour.jpg'); step++) { await page.keyboard.press('ArrowRight'); await page.waitForTimeout(60); }
    assert.deepEqual((await names()).sort(), ['harbour small.jpg', 'harbour.jpg']);
    await look('8-duplicate');
    await page.keyboard.press('k');
    await heard(page, /1 duplicate put into the trash/);
    // The focus goes along to what is shown next.
    await page.locator('article').getByRole('heading', { name: 'harbour.jpg', exact: true }).waitFor({ state: 'detached' });

    // Sync switch: this album's photo goes to a place that takes only what is chosen.
    await menu(page, 'Albums');
    await tabTo(page, /^The harbour/);
    await page.keyboard.press('Enter');
    await intoGrid(page);
    assert.equal(await page.locator('[role=gridcell]').count(), 1);
    await page.keyboard.press('w');
    await page.getByRole('dialog', { name: 'Where 1 photo goes' }).waitFor();
    await page.getByText('It does not go there.').or(page.getByText('None of them goes there.')).first().waitFor();
    await look('9-switch');
    if (!/Send/.test((await focused(page)).name)) await tabTo(page, 'Send');
    await page.keyboard.press('Enter');
    await heard(page, /1 photo goes to cloud now/);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelector('dialog') === null);

    // Trash, and undo.
    await page.keyboard.press('Escape');
    await intoGrid(page);
    await page.keyboard.press('Delete');
    await heard(page, /1 photo put into the trash/);
    await page.getByText('This album is empty').waitFor();
    await look('10-trashed');
    await tabTo(page, 'Undo');
    await page.keyboard.press('Enter');
    await heard(page, /Undone/);
    await page.waitForSelector('[role=gridcell] img');
    await look('11-undone');

    // What the keys did is what the library says.
    const ids = JSON.parse(library.run('--json', 'list', 'album:"The harbour"'));
    assert.deepEqual(ids.map((one) => one.path.split('/').at(-1)), ['harbour.jpg']);
    assert.equal(JSON.parse(library.run('--json', 'list', '--count', 'name:harbour* is:trashed')).count, 1);
    if (live) assert.equal(JSON.parse(library.run('--json', 'list', '--count', 'name:LIVE_0007*')).count, 2);
    library.run('sync', 'cloud');
    assert.equal(JSON.parse(library.run('--json', 'list', '--count', 'sync:cloud=synced')).count, 1, 'exactly what was switched on went there');
    assert.deepEqual(wrong, []);
    await context.close();
  } finally {
    await served.stop();
    library.remove();
  }
});
