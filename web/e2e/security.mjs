// What keeps the library from others: the token, the policy, hostile files, locking.
import assert from 'node:assert/strict';
import { open, PASSPHRASE, visit } from './gallery.mjs';
import { test, violations } from './steps.mjs';

test('the launch token leaves the address bar and works once', async ({ browser, serve, library }) => {
  const other = library.serve();
  try {
    const address = await other.address;
    const first = await open(browser, address);
    await first.page.waitForSelector('[role=grid]');
    assert.equal(new URL(first.page.url()).hash, '');
    await first.page.reload();
    await first.page.waitForSelector('[role=grid]');
    assert.deepEqual(first.wrong, []);
    const second = await open(browser, address);
    await second.page.getByRole('heading', { name: 'Open the gallery anew' }).waitFor();
    await first.context.close();
    await second.context.close();
  } finally { await other.stop(); }
  void serve;
});

test('a hostile name is text and a hostile SVG never runs', async ({ page, wrong, origin }) => {
  await visit(page, `/?q=${encodeURIComponent('name:onerror*')}`);
  const cell = page.locator('[role=gridcell]').first();
  await cell.waitFor();
  assert.match(await cell.getAttribute('aria-label'), /onerror=alert\(1\)/);
  assert.equal(await page.locator('img[src="x"]').count(), 0);
  await visit(page, '/');
  const answer = await page.evaluate(async () => {
    const secret = sessionStorage.getItem('safelight-secret');
    const opened = await (await fetch('/api/v1/session', { headers: { 'x-safelight': secret } })).json();
    const columns = await (await fetch('/api/v1/timeline/columns?start=0&count=512', { headers: { 'x-safelight': secret } })).json();
    const at = columns.name.findIndex((name) => name.endsWith('.svg'));
    if (at < 0) return null;
    const address = `${opened.media}/o/${columns.id[at]}`;
    const original = await fetch(address);
    return { address, policy: original.headers.get('content-security-policy'), kept: original.headers.get('content-disposition'), sniff: original.headers.get('x-content-type-options') };
  });
  if (answer) {
    assert.match(answer.policy, /sandbox/);
    assert.equal(answer.sniff, 'nosniff');
    const tab = await page.context().newPage();
    tab.on('dialog', (dialog) => { wrong.push(`the SVG ran: ${dialog.message()}`); void dialog.dismiss(); });
    await tab.goto(`${origin}${answer.address}`).catch(() => {});
    await tab.waitForTimeout(500);
    await tab.close();
  }
  assert.deepEqual(wrong, []);
});

test('a second tab of the browser is let in by the first, and nobody is let in by the cookie alone', async ({ browser, page, origin, wrong }) => {
  const tab = await page.context().newPage();
  const errors = [];
  tab.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  await tab.goto(`${origin}/favourites`);
  await tab.getByRole('heading', { name: 'Favourites', level: 1 }).waitFor();
  await tab.reload();
  await tab.getByRole('heading', { name: 'Favourites', level: 1 }).waitFor();
  await tab.close();
  assert.deepEqual(errors, []);
  assert.deepEqual(wrong, []);
  // A browser that has the cookie, and no window of the gallery: what another program that got the cookie would have.
  const alone = await browser.newContext({ storageState: await page.context().storageState() });
  const other = await alone.newPage();
  await other.goto(origin);
  await other.getByRole('heading', { name: 'Open the gallery anew' }).waitFor();
  assert.match(await other.locator('main').innerText(), /another tab of this browser/);
  assert.equal(await other.evaluate(() => sessionStorage.getItem('safelight-secret')), null);
  await alone.close();
});

test('what turns the direction of text in a file name is written out wherever the name is read', async ({ page, wrong }) => {
  await visit(page, '/?q=photo*');
  const cell = page.locator('[role=gridcell][aria-label*="gpj.png"]');
  await cell.waitFor();
  const shown = () => page.evaluate(() => {
    const said = [...document.querySelectorAll('*')].flatMap((one) => ['aria-label', 'alt', 'title'].map((name) => one.getAttribute(name) ?? ''));
    return [document.title, document.body.textContent, ...said].join('\n');
  });
  assert.match(await shown(), /photo\\u\{202e\}gpj\.png/);
  assert.ok(!(await shown()).includes('\u202e'));
  await cell.focus();
  await page.keyboard.press('Enter');
  await page.locator('dialog[open] .stage').waitFor();
  await page.keyboard.press('i');
  await page.getByRole('heading', { name: 'Information' }).waitFor();
  await page.waitForTimeout(500);
  assert.match(await shown(), /photo\\u\{202e\}gpj\.png/);
  assert.ok(!(await shown()).includes('\u202e'));
  await page.keyboard.press('Escape');
  assert.deepEqual(wrong, []);
});

test('the policy of the page stops scripts, frames and foreign requests', async ({ page, wrong }) => {
  const refused = await page.evaluate(async () => {
    const out = {};
    // From a timer: what the test itself runs is let through by the browser.
    out.eval = await new Promise((resolve) => setTimeout(() => { try { eval('1'); resolve('ran'); } catch { resolve('refused'); } }));
    try { document.createElement('div').innerHTML = '<b>x</b>'; out.html = 'ran'; } catch { out.html = 'refused'; }
    out.fetch = await fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused');
    out.inline = await new Promise((resolve) => {
      const style = document.createElement('style');
      style.textContent = 'body { outline: 7px solid red }';
      document.head.append(style);
      resolve(getComputedStyle(document.body).outlineWidth === '7px' ? 'ran' : 'refused');
    });
    return out;
  });
  assert.deepEqual(refused, { eval: 'refused', html: 'refused', fetch: 'refused', inline: 'refused' });
  wrong.length = 0; // the browser says so in the console
});

test('nothing of the library stays in the browser, and locking empties the page', async ({ page }) => {
  await visit(page, '/');
  await page.waitForSelector('[role=gridcell] img');
  const kept = await page.evaluate(async () => ({ local: { ...localStorage }, session: Object.keys(sessionStorage), caches: await caches.keys(), databases: (await indexedDB.databases()).length }));
  assert.ok(Object.keys(kept.local).every((key) => key === 'safelight-look'), JSON.stringify(kept.local));
  assert.deepEqual(kept.session, ['safelight-secret']);
  assert.deepEqual([kept.caches, kept.databases], [[], 0]);
  // Something was said of a photo: that goes, too.
  await page.locator('[data-index="0"]').focus();
  await page.keyboard.press('3');
  await page.locator('.toast', { hasText: 'rated' }).waitFor();
  await page.getByRole('button', { name: 'Lock now' }).click();
  await page.getByRole('heading', { name: 'Locked' }).waitFor();
  assert.equal(await page.getByText('rated').count(), 0);
  assert.equal(await page.locator('[role=gridcell], img').count(), 0);
  assert.equal(await page.title(), 'Safelight');
  await page.getByLabel('Passphrase').fill('not this one');
  await page.keyboard.press('Enter');
  await page.locator('form [role=alert]:not(:empty)').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByLabel('Passphrase').fill(PASSPHRASE);
  await page.keyboard.press('Enter');
  await page.waitForSelector('[role=gridcell]');
});
