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
  const { id, media } = await page.evaluate(async () => {
    const headers = { 'x-safelight': sessionStorage.getItem('safelight-secret') };
    const columns = await (await fetch('/api/v1/timeline/columns?start=0&count=1&covers=true', { headers })).json();
    return { id: columns.id[0], media: (await (await fetch('/api/v1/session', { headers })).json()).media };
  });
  if (!mocked) {
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
