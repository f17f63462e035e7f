// Where each photo is, said on it in the timeline: in words where there is room, by a sign where there is none.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { drawNoise, Library, open, visit } from './gallery.mjs';
import { connectTwo } from './sync.mjs';
import { mocked, test, violations } from './steps.mjs';

const badges = (page) => page.evaluate(() => [...document.querySelectorAll('[role=gridcell]')].filter((cell) => cell.querySelector('.pick')).map((cell) => {
  const badge = cell.querySelector('.sync');
  const style = badge && getComputedStyle(badge);
  return { word: badge?.textContent ?? null, seen: style?.opacity === '1', tight: style?.fontSize === '0px', cut: badge !== null && badge.scrollWidth > badge.clientWidth + 1, label: cell.getAttribute('aria-label') };
}));

test('every photo says where it is, in words that are never cut or a sign whose word its name says, and the ordinary can be left out', async ({ browser, again, page, wrong, library, pictures }) => {
  if (mocked) return;
  connectTwo(library);
  library.run('sync', 'nas');
  for (const [width, locale] of [[1280, 'en-GB'], [390, 'de-DE']]) {
    const other = await again(browser, { viewport: { width, height: 800 }, locale });
    await other.page.waitForFunction(() => document.querySelectorAll('[role=gridcell] .sync').length > 3);
    const all = await badges(other.page);
    assert.ok(all.length > 3);
    for (const one of all) {
      assert.ok(one.word && one.seen, JSON.stringify(one));
      assert.ok(!one.cut || one.tight, `cut: ${JSON.stringify(one)}`);
      assert.ok(one.label.includes(one.word), 'its name says the word');
    }
    if (width === 1280) assert.ok(all.some((one) => !one.tight && /Synced|Only here/.test(one.word)), 'where there is room it is a word');
    assert.ok(await other.page.evaluate(() => document.querySelectorAll('*').length) <= 600);
    for (const colorScheme of ['light', 'dark']) {
      await other.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      let found = await violations(other.page);
      // A photo whose state changes while it is looked at is looked at once more.
      for (let again = 0; found.length > 0 && again < 5; again++) {
        await other.page.waitForTimeout(1000);
        found = await violations(other.page);
      }
      const blamed = /data-index="(\d+)"/.exec(found[0] ?? '')?.[1];
      assert.deepEqual(found, [], blamed ? await other.page.locator(`[data-index="${blamed}"]`).evaluate((cell) => cell.outerHTML) : '');
      await pictures(`badges-${width}-${colorScheme}`, other.page);
    }
    await other.context.close();
  }
  await visit(page, '/settings');
  await page.getByRole('radio', { name: 'Not “Synced” and “Only here”' }).focus();
  await page.keyboard.press('Space');
  await visit(page, '/');
  await page.waitForFunction(() => document.querySelectorAll('[role=gridcell] .sync').length > 3);
  await page.mouse.move(2, 2);
  assert.deepEqual((await badges(page)).filter((one) => one.seen && /Synced|Only here/.test(one.word)), []);
  await visit(page, '/settings');
  await page.getByRole('radio', { name: 'On all of them' }).focus();
  await page.keyboard.press('Space');
  await visit(page, '/');
  assert.deepEqual(wrong, []);
});

test('a place that is connected in the gallery, and a sync there, show on the pictures by themselves, in every tab', async ({ browser, pictures }) => {
  if (mocked) return;
  const own = new Library();
  try {
    own.make(null, (folder) => { for (const seed of [60, 61, 62]) drawNoise(folder, `NOISE_${seed}.png`, seed); });
    const serve = own.serve();
    const { context, page, wrong } = await open(browser, await serve.address);
    await page.waitForSelector('[role=gridcell] .pick');
    assert.equal(await page.locator('[role=gridcell] .sync').count(), 0, 'there is no other place yet');
    const tab = await context.newPage();
    await tab.goto(new URL(page.url()).origin);
    await tab.waitForSelector('[role=gridcell] .pick');
    mkdirSync(join(own.folder, 'nas'));
    const ask = (method, path, body) => page.evaluate(async ([method, path, body]) => {
      const headers = { 'x-safelight': sessionStorage.getItem('safelight-secret'), 'content-type': 'application/json' };
      return (await fetch(`/api/v1/${path}`, { method, headers, body: JSON.stringify(body) })).status;
    }, [method, path, body]);
    assert.equal(await ask('POST', 'remotes', { name: 'nas', address: `folder:${join(own.folder, 'nas')}` }), 200);
    const says = (where, word) => where.waitForFunction((word) => [...document.querySelectorAll('[role=gridcell]')].filter((cell) => cell.getAttribute('aria-label').includes(word)).length === 3, word, { timeout: 8_000 });
    for (const where of [page, tab]) await says(where, 'Waiting');
    assert.ok((await ask('POST', 'sync', {})) < 300);
    for (const where of [page, tab]) await says(where, 'Synced');
    await pictures('badges-at-once', page);
    assert.deepEqual(wrong, []);
    await context.close();
    await serve.stop();
  } finally { own.remove(); }
});
