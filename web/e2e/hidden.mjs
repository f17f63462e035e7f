// Hidden photos behind the passphrase typed once more: what is told before, and how they close.
import assert from 'node:assert/strict';
import { PASSPHRASE, visit } from './gallery.mjs';
import { focused, heard, mocked, test, toGrid, violations } from './steps.mjs';

/** Asks the server as the page does. */
const ask = (page, path, body) => page.evaluate(async ({ path, body }) => {
  const answer = await fetch(`/api/v1/${path}`, { method: body ? 'POST' : 'GET', headers: { 'x-safelight': sessionStorage.getItem('safelight-secret'), ...(body ? { 'content-type': 'application/json' } : {}) }, ...(body ? { body: JSON.stringify(body) } : {}) });
  return { status: answer.status, said: (answer.headers.get('content-type') ?? '').includes('json') ? await answer.json() : null };
}, { path, body });
const door = (page) => page.getByRole('heading', { name: 'Hidden photos are closed' }).waitFor();
async function openDoor(page) {
  await page.getByLabel('Passphrase').fill(PASSPHRASE);
  await page.keyboard.press('Enter');
  await page.waitForSelector('[role=gridcell]');
}

test('hidden photos are told of after the passphrase alone, and close by a key, in every window', async ({ browser, again, page, wrong, pictures }) => {
  await visit(page, '/');
  await page.reload();
  await toGrid(page);
  const { at, id, media } = await page.evaluate(async () => {
    const headers = { 'x-safelight': sessionStorage.getItem('safelight-secret') };
    const columns = await (await fetch('/api/v1/timeline/columns?start=0&count=20&covers=true', { headers })).json();
    // One of a single file: a Live photo is hidden with its video, and a stack as a whole.
    const at = columns.id.findIndex((_, one) => !columns.live?.[one] && !columns.stack?.[one]);
    return { at, id: columns.id[at], media: (await (await fetch('/api/v1/session', { headers })).json()).media };
  });
  if (!mocked) {
    await page.locator(`[data-index="${at}"]`).focus();
    await page.keyboard.press('Space');
    await page.getByRole('toolbar').getByRole('button', { name: 'More' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Hide', exact: true }).click();
    await heard(page, /1 photo hidden/);
  }

  // Closed: the page asks for the passphrase, and the server tells nothing by any other way.
  await visit(page, '/hidden');
  await door(page);
  assert.deepEqual([(await focused(page)).tag, await page.locator('[role=gridcell]').count()], ['INPUT', 0]);
  assert.equal((await ask(page, 'status')).said.counts.hidden, null);
  for (const path of ['timeline/skeleton?shelf=hidden', 'timeline/columns?shelf=hidden&start=0&count=1', 'timeline/skeleton?q=is%3Ahidden', 'timeline/skeleton?q=-is%3Afavourite%20is%3Ahidden']) {
    const { status, said } = await ask(page, path);
    assert.deepEqual([status, said?.error?.code], [403, 'hidden-closed'], path);
  }
  if (!mocked) {
    // One photo is answered like one that is not there.
    assert.deepEqual([(await ask(page, `assets/${id}`)).status, (await ask(page, `assets/${id}`)).said.error.code], [404, 'not-found']);
    assert.equal(await page.evaluate(async (address) => (await fetch(address)).status, `${media}/t/${id}`), 404);
    assert.equal((await ask(page, 'edit', { items: [id], set: { rating: 3 } })).said.error.code, 'not-found');
  }
  const dark = { colorScheme: 'dark' };
  assert.deepEqual(await violations(page), []);
  await pictures('hidden-closed');
  await page.emulateMedia(dark);
  assert.deepEqual(await violations(page), []);
  await pictures('hidden-closed-dark');
  await page.emulateMedia({ colorScheme: 'light' });

  await page.getByLabel('Passphrase').fill('not this one');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').filter({ hasText: 'does not open' }).waitFor();
  await openDoor(page);
  assert.notEqual((await focused(page)).tag, 'BODY');
  assert.equal(await page.locator('nav em').first().textContent(), 'open');
  assert.deepEqual(await violations(page), []);
  await pictures('hidden-open');

  // What one window opens, another shows without asking; a key closes both, out of the viewer too.
  const other = await again(browser, {});
  await visit(other.page, '/hidden');
  await other.page.waitForSelector('[role=gridcell]');
  await page.locator('[role=gridcell]').first().focus();
  await page.keyboard.press('Enter');
  await page.locator('dialog[open] .stage').waitFor();
  await page.keyboard.press('h');
  await door(page);
  assert.equal(await page.locator('dialog, [role=gridcell], main img').count(), 0);
  await door(other.page);
  assert.equal(await other.page.locator('[role=gridcell]').count(), 0);
  await other.context.close();

  // Locking closes them as well; so they are asked for once more after unlocking.
  await visit(page, '/hidden');
  await openDoor(page);
  await page.getByRole('button', { name: 'Lock now' }).click();
  await page.getByRole('heading', { name: 'Locked' }).waitFor();
  await page.getByLabel('Passphrase').fill(PASSPHRASE);
  await page.keyboard.press('Enter');
  await door(page);

  await openDoor(page);
  if (!mocked) {
    await page.locator('[role=gridcell]').first().focus();
    await page.keyboard.press('Space');
    await page.getByRole('toolbar').getByRole('button', { name: 'More' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Show again' }).click();
    await heard(page, /1 photo shown again/);
    await page.getByText('Nothing is hidden').waitFor();
  }
  await page.getByRole('button', { name: 'Close hidden photos' }).click();
  await door(page);
  await visit(page, '/');
  await page.waitForSelector('[role=gridcell] img');
  // The browser says in its console that a request was refused; that is no mistake of the page.
  assert.deepEqual(wrong, []);
});

test('the key that closes hidden photos takes them off every page before the server answers, and when it does not', async ({ page, wrong, pictures, origin }) => {
  if (mocked) return;
  await visit(page, '/');
  const id = await page.evaluate(async () => {
    const columns = await (await fetch('/api/v1/timeline/columns?start=0&count=20&covers=true', { headers: { 'x-safelight': sessionStorage.getItem('safelight-secret') } })).json();
    return columns.id.find((_, one) => !columns.live?.[one] && !columns.stack?.[one]);
  });
  await ask(page, 'edit', { items: [id], set: { hidden: true } });
  const album = (await ask(page, 'albums', { path: 'Kept back', query: 'is:hidden' })).said.id;
  const nothing = async (window) => assert.equal(await window.locator('main img, main [role=gridcell], dialog').count(), 0);
  await ask(page, 'hidden/open', { passphrase: PASSPHRASE });
  // Another window of the same browser.
  const secret = await page.evaluate(() => sessionStorage.getItem('safelight-secret'));
  const other = await page.context().newPage();
  await other.addInitScript((value) => sessionStorage.setItem('safelight-secret', value), secret);
  await other.goto(`${origin}/?q=${encodeURIComponent('IS:"hidden"')}`);
  await other.waitForSelector('[role=gridcell] img');
  await visit(page, '/albums');
  const card = page.locator('li', { hasText: 'Kept back' });
  await card.locator('img').waitFor();
  await card.getByText('1 photo', { exact: true }).waitFor();

  const waiting = [];
  let deaf = true;
  // Whichever window tells it.
  await page.context().route('**/api/v1/hidden/close', (route) => { if (deaf) waiting.push(route); else void route.continue(); });
  await page.keyboard.press('h');
  await page.getByText(/Closing hidden photos|has not said yet/).waitFor();
  await nothing(page);
  await other.getByText(/Closing hidden photos|has not said yet/).waitFor();
  await nothing(other);
  await page.getByText('The server has not said yet').waitFor();
  assert.deepEqual(await violations(page), []);
  await pictures('hidden-unheard');
  // No page shows anything while nobody knows; not even this one asks again.
  await visit(page, '/hidden');
  await nothing(page);
  assert.equal((await ask(page, 'status')).said.hidden.open, true, 'the server has not heard of it');
  // The server seems away; as soon as it is there it is told again, by the page itself.
  deaf = false;
  for (const route of waiting) await route.abort();
  await door(page);
  await nothing(page);
  await door(other);
  assert.equal((await ask(page, 'status')).said.hidden.open, false);
  await visit(page, '/albums');
  await card.getByText('0 photos', { exact: true }).waitFor();
  assert.equal(await card.locator('img').count(), 0);

  // An answer that was asked for before they were closed, and comes after.
  const later = async (of) => {
    let give;
    const asked = new Promise((resolve) => {
      void of.route('**/api/v1/status', async (route) => { const answer = await route.fetch(); give = () => route.fulfill({ response: answer }); resolve(); }, { times: 1 });
    });
    return async () => { await asked; return () => give(); };
  };
  await visit(page, '/hidden');
  await openDoor(page);
  let coming = await later(page);
  // A caption that it cannot have: what changes nothing is told to nobody.
  await ask(page, 'edit', { items: [id], set: { caption: 'said while hidden' } });
  let give = await coming();
  await page.keyboard.press('h');
  await door(page);
  await give();
  await page.waitForTimeout(500);
  await door(page);
  assert.equal(await page.locator('nav em').count(), 0, 'an old answer opens nothing');
  await nothing(page);
  // The same of the lock.
  coming = await later(page);
  await page.reload();
  give = await coming();
  await page.getByRole('button', { name: 'Lock now' }).click();
  await page.getByRole('heading', { name: 'Locked' }).waitFor();
  await give();
  await page.waitForTimeout(500);
  assert.equal(await page.getByRole('heading', { name: 'Locked' }).count(), 1);
  await page.getByLabel('Passphrase').fill(PASSPHRASE);
  await page.keyboard.press('Enter');
  await door(page);
  await openDoor(page);
  await ask(page, 'edit', { items: [id], set: { hidden: false, caption: null } });
  await page.getByText('Nothing is hidden').waitFor();
  await page.evaluate(async (album) => fetch(`/api/v1/albums/${album}`, { method: 'DELETE', headers: { 'x-safelight': sessionStorage.getItem('safelight-secret'), 'content-type': 'application/json' }, body: '{}' }), album);
  await page.keyboard.press('h');
  await door(page);
  await other.close();
  await visit(page, '/');
  await page.waitForSelector('[role=gridcell] img');
  assert.deepEqual(wrong, []);
});

test('what a page asks by itself says so, as it keeps nothing open', async ({ page, library, wrong }) => {
  if (mocked) return;
  await visit(page, '/');
  await page.reload();
  await toGrid(page);
  const id = await page.evaluate(async () => (await (await fetch('/api/v1/timeline/columns?start=0&count=1&covers=true', { headers: { 'x-safelight': sessionStorage.getItem('safelight-secret') } })).json()).id[0]);
  /** How the list is asked for once another program has changed a photo. */
  const after = async (change) => {
    const next = page.waitForRequest((request) => request.url().includes('/timeline/skeleton'));
    library.run('set', id, change, '--yes');
    return (await next).headers()['x-safelight-unasked'] ?? null;
  };
  await page.keyboard.press('ArrowRight');
  assert.equal(await after('rating=2'), null);
  await page.waitForTimeout(10_500);
  assert.equal(await after('rating=3'), '1', 'nobody has touched this window for a while');
  await page.keyboard.press('ArrowLeft');
  assert.equal(await after('rating=0'), null);
  assert.deepEqual(wrong, []);
});

test('a page that loads counts everything once', async ({ page, wrong }) => {
  if (mocked) return;
  await visit(page, '/');
  let counted = 0;
  const count = (request) => { if (request.url().endsWith('/api/v1/status')) counted++; };
  page.on('request', count);
  const listening = page.waitForResponse((answer) => answer.url().endsWith('/api/v1/events'));
  await page.reload();
  await toGrid(page);
  await listening;
  // What the stream begins with is heard by then, and would have been asked about.
  await page.waitForTimeout(1_000);
  page.off('request', count);
  assert.equal(counted, 1);
  assert.deepEqual(wrong, []);
});

test('photos that were hidden come back by taking that back, also after hidden photos were opened and closed meanwhile', async ({ page, wrong }) => {
  if (mocked) return;
  const hideFirst = async () => {
    await visit(page, '/');
    await page.waitForSelector('[role=gridcell] .pick');
    const at = await page.evaluate(async () => {
      const columns = await (await fetch('/api/v1/timeline/columns?start=0&count=20&covers=true', { headers: { 'x-safelight': sessionStorage.getItem('safelight-secret') } })).json();
      return columns.id.findIndex((_, one) => !columns.live?.[one] && !columns.stack?.[one]);
    });
    const count = Number(/[0-9]+/.exec(await page.locator('.count').textContent())[0]);
    await page.locator(`[data-index="${at}"]`).focus();
    await page.keyboard.press('Space');
    await page.getByRole('toolbar').getByRole('button', { name: 'More' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Hide', exact: true }).click();
    await heard(page, /1 photo hidden/);
    await page.keyboard.press('Escape');
    return count;
  };
  const counted = (count) => page.waitForFunction((count) => document.querySelector('.count')?.textContent?.startsWith(`${count} `), count);
  const closeAndTakeBack = async (count) => {
    await page.keyboard.press('h');
    await door(page);
    await visit(page, '/');
    await counted(count - 1);
    await page.keyboard.press('z');
    await heard(page, /Undone: 1 photo hidden/);
    await counted(count);
  };
  // Hidden before they were opened.
  let count = await hideFirst();
  await visit(page, '/hidden');
  await door(page);
  await openDoor(page);
  await closeAndTakeBack(count);
  // Hidden while they were open.
  await visit(page, '/hidden');
  await door(page);
  await page.getByLabel('Passphrase').fill(PASSPHRASE);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: /Close/ }).first().waitFor();
  count = await hideFirst();
  await visit(page, '/hidden');
  await page.waitForSelector('[role=gridcell]');
  await closeAndTakeBack(count);
  assert.deepEqual(wrong, []);
});
