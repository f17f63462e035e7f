// The dialog of places by keys and by its map, and pages at large text on a telephone. Asked of the stand-in: its places are known.
import assert from 'node:assert/strict';
import { open, standIn, visit } from './gallery.mjs';
import { chooseTwo, focused, heard, mocked, test } from './steps.mjs';

test('the dialog of places begins in its field, Enter takes the place that begins so, and a click on its map takes that point', async ({ browser }) => {
  const made = standIn(4_000);
  try {
    const { page, context } = await open(browser, await made.address);
    await chooseTwo(page);
    await page.keyboard.press('l');
    const known = page.getByRole('combobox', { name: 'Where you have photos already' });
    await known.waitFor();
    assert.equal((await focused(page)).tag, 'INPUT');
    assert.ok(await known.evaluate((field) => field === document.activeElement));
    await page.waitForFunction(() => document.querySelectorAll('dialog datalist option').length > 2);
    const [first] = await page.locator('dialog datalist option').evaluateAll((all) => all.map((one) => one.value));
    const sent = page.waitForRequest((request) => request.url().endsWith('/edit'));
    await page.keyboard.type(first.slice(0, -1).toLowerCase());
    await page.keyboard.press('Enter');
    assert.match((await sent).postDataJSON().set.place, /^-?\d+\.\d+,-?\d+\.\d+ /);
    await page.waitForFunction(() => document.querySelector('dialog') === null);

    await chooseTwo(page);
    await page.keyboard.press('l');
    await page.getByRole('button', { name: 'Choose on the map' }).click();
    const map = page.locator('dialog .map');
    await map.waitFor();
    await page.waitForFunction(() => document.activeElement?.classList.contains('map'));
    const box = await map.boundingBox();
    await page.mouse.click(box.x + box.width * 0.9, box.y + box.height * 0.85);
    await heard(page, /Position taken: -?\d+\.\d+, -?\d+\.\d+/);
    assert.match(await page.getByRole('textbox', { name: 'Degrees north and east' }).inputValue(), /^-?\d+\.\d+, -?\d+\.\d+$/);
    await context.close();
  } finally {
    await made.stop();
  }
});

test('conflicts and days stay within a telephone when text is twice as large', async ({ browser }) => {
  const made = standIn(4_000);
  try {
    const { page, context } = await open(browser, await made.address, { viewport: { width: 390, height: 800 }, locale: 'de-DE' });
    await visit(page, '/conflicts');
    await page.getByRole('heading', { name: 'IMG_1003.jpg' }).waitFor();
    await page.evaluate(() => { document.documentElement.style.fontSize = '200%'; });
    const wide = await page.evaluate(() => [...document.querySelectorAll('.page, .page *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && getComputedStyle(one).position !== 'absolute').map((one) => `${one.tagName} ${one.textContent?.trim().slice(0, 30)}`));
    assert.deepEqual(wide, []);
    assert.ok(await page.evaluate(() => { const one = document.querySelector('.page'); return one.scrollWidth <= one.clientWidth; }));
    await context.close();
  } finally {
    await made.stop();
  }
});

test('photos at a position without a name are found from the list of places', async ({ page, wrong }) => {
  if (mocked) return;
  await visit(page, '/');
  const [id] = await page.evaluate(async () => {
    const headers = { 'x-safelight': sessionStorage.getItem('safelight-secret'), 'content-type': 'application/json' };
    const { id } = await (await fetch('/api/v1/timeline/columns?start=0&count=1', { headers })).json();
    // Far from everywhere, in the South Pacific.
    await fetch('/api/v1/edit', { method: 'POST', headers, body: JSON.stringify({ items: id, set: { place: '-48,-120' } }) });
    return id;
  });
  try {
    await visit(page, '/places');
    await page.getByRole('link', { name: 'Without a name' }).click();
    await page.waitForSelector('[role=gridcell]');
    const found = await page.evaluate(async (q) => {
      const headers = { 'x-safelight': sessionStorage.getItem('safelight-secret') };
      return (await (await fetch(`/api/v1/timeline/columns?start=0&count=9&q=${encodeURIComponent(q)}`, { headers })).json()).id;
    }, new URL(page.url()).searchParams.get('q'));
    assert.ok(found.includes(id), `${page.url()} finds ${found}`);
  } finally {
    await page.evaluate(async (item) => {
      const headers = { 'x-safelight': sessionStorage.getItem('safelight-secret'), 'content-type': 'application/json' };
      await fetch('/api/v1/edit', { method: 'POST', headers, body: JSON.stringify({ items: [item], clear: ['place'] }) });
    }, id);
  }
  assert.deepEqual(wrong, []);
});
