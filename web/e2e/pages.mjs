// What holds for every page: nothing for axe to find, large text, words in the reader’s language, several windows.
import assert from 'node:assert/strict';
import { open, standIn, visit } from './gallery.mjs';
import { PAGES, test, violations } from './steps.mjs';

for (const scheme of ['light', 'dark']) {
  test(`axe finds nothing on any page (${scheme})`, async ({ page, wrong, pictures }) => {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    const found = [];
    for (const path of PAGES) {
      await visit(page, path);
      await page.waitForTimeout(400);
      found.push(...(await violations(page)).map((one) => `${path} ${one}`));
      await pictures(`${path === '/' ? 'photos' : path.slice(1)}-${scheme}`);
    }
    await visit(page, '/');
    await page.locator('[role=gridcell]').first().click();
    await page.locator('dialog[open] .stage').waitFor();
    await page.waitForTimeout(600);
    found.push(...(await violations(page)).map((one) => `viewer ${one}`));
    await page.keyboard.press('i');
    await page.waitForTimeout(300);
    found.push(...(await violations(page)).map((one) => `viewer with information ${one}`));
    await pictures(`viewer-${scheme}`);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelector('dialog') === null);
    await page.keyboard.press('?');
    await page.getByRole('dialog').waitFor();
    found.push(...(await violations(page)).map((one) => `keys ${one}`));
    await page.keyboard.press('Escape');
    assert.deepEqual(found, []);
    assert.deepEqual(wrong, []);
  });
}

test('axe does see this page: a broken one is found', async ({ page }) => {
  await visit(page, '/');
  await page.waitForSelector('[role=gridcell]');
  await page.evaluate(() => { document.querySelectorAll('[role=row]').forEach((row) => row.removeAttribute('role')); document.querySelector('#search').removeAttribute('id'); });
  const found = await violations(page);
  await page.reload();
  await page.waitForSelector('[role=grid]');
  assert.ok(found.some((one) => one.startsWith('aria-required-')), found.join('\n'));
});

/** What reaches beyond the window, or lies beyond what it is in. */
const offTheSide = (page) => page.evaluate(() => [
  ...[...document.querySelectorAll('.page, main, body')].filter((one) => one.scrollWidth > one.clientWidth + 1),
  // What is hidden at the side without a way to get there; the map, and what only readers hear, lie so on purpose.
  ...[...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().width > 0 && one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.unseen, .map, .scroller, .skip, [aria-hidden=true]')),
].slice(0, 8).map((one) => `${one.className || one.tagName} ${one.scrollWidth} > ${one.clientWidth}: ${one.textContent.trim().slice(0, 30)}`));

test('at text of 200 % on a narrow window nothing runs off the side, on the narrowest neither', async ({ browser, again }) => {
  for (const width of [640, 320]) {
    const { page, context } = await again(browser, { viewport: { width, height: 800 } });
    await page.evaluate(() => { localStorage.setItem('safelight-look', JSON.stringify({ text: 200 })); });
    await page.reload();
    await page.waitForSelector('[role=grid]');
    for (const path of PAGES) {
      await visit(page, path);
      const wide = await offTheSide(page);
      assert.deepEqual(wide, [], `${path} at ${width}`);
    }
    if (width === 320) {
      // Every page is still reached: what has no room in the bar is in its sheet.
      await page.getByRole('button', { name: 'More' }).click();
      await page.getByRole('dialog', { name: 'More' }).waitFor();
      assert.equal(await page.getByRole('dialog').getByRole('link').filter({ visible: true }).count(), 15);
    }
    await context.close();
  }
});

test('at text of 200 % on the narrowest window nothing runs off the side in any language, with places, duplicates and an archive on the pages', async ({ browser, pictures }) => {
  const made = standIn(4_000);
  try {
    const address = await made.address;
    for (const locale of ['en-GB', 'de-DE', 'fr-FR']) {
      const { page, context, wrong } = await open(browser, address, { viewport: { width: 320, height: 800 }, locale });
      await page.evaluate(() => { localStorage.setItem('safelight-look', JSON.stringify({ text: 200 })); });
      await page.reload();
      await page.waitForSelector('[role=grid]');
      const wide = [];
      for (const path of PAGES) {
        await visit(page, path);
        wide.push(...(await offTheSide(page)).map((one) => `${path} in ${locale}: ${one}`));
        if (path === '/privacy') await pictures(`privacy-narrow-${locale.slice(0, 2)}`, page);
      }
      assert.deepEqual(wide, []);
      assert.deepEqual(wrong, []);
      await context.close();
    }
  } finally {
    await made.stop();
  }
});

test('at text of 200 % on a phone conflicts stay on their page, and the days of the timeline are named whole', async ({ browser, again }) => {
  const { page, context } = await again(browser, { viewport: { width: 390, height: 844 }, locale: 'de-DE' });
  const long = 'Donaudampfschifffahrtsgesellschaftskapitänsmütze'.repeat(3);
  const value = (text, shows) => ({ shows, value: text, when: '2026-05-14 10:11:12', device: '9be1c07a9be1c07a9be1c07a9be1c07a' });
  await context.route(/\/conflicts(\?|$)/, (route) => (route.request().resourceType() === 'document' ? route.continue() : route.fulfill({ json: [
    { item: '000000000003', name: `${long}.jpg`, kind: 'photo', field: 'caption', values: [value(long, true), value({ position: [38.7169, -9.1399], name: long }, false)] },
    { item: '000000000004', name: long, kind: 'album', field: 'query', values: [value(`place:${long}`, true), value('', false)] }] })));
  await page.evaluate(() => { localStorage.setItem('safelight-look', JSON.stringify({ text: 200, language: 'de' })); });
  await page.reload();
  await page.waitForSelector('[role=gridcell] img');
  const cut = await page.evaluate(() => [...document.querySelectorAll('[role=rowheader] h2')].filter((one) => one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1 || one.getBoundingClientRect().top < one.parentElement.getBoundingClientRect().top - 1).map((one) => one.textContent));
  assert.deepEqual(cut, []);
  await visit(page, '/conflicts');
  await page.locator('section.card').nth(1).waitFor();
  const out = await page.evaluate(() => {
    const page = document.querySelector('.page').getBoundingClientRect();
    return [...document.querySelectorAll('.page *')].filter((one) => { const box = one.getBoundingClientRect(); return box.width > 0 && (box.right > page.right + 1 || box.left < page.left - 1 || one.scrollWidth > one.clientWidth + 1) && getComputedStyle(one).display !== 'inline' && !one.closest('.unseen'); }).map((one) => `${one.className || one.tagName}: ${one.textContent.slice(0, 20)}`);
  });
  assert.deepEqual(out, []);
  await context.close();
});

test('a page that cannot be fetched says so, and the next try fetches it with its words', async ({ again, browser }) => {
  const { page, context } = await again(browser, {});
  const refuse = (route) => route.abort();
  await context.route(/assets\/(Albums|en)-/, refuse);
  await page.getByRole('link', { name: 'Albums' }).click();
  await page.getByRole('alert').getByText('could not be fetched').waitFor();
  await context.unroute(/assets\/(Albums|en)-/, refuse);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('button', { name: 'New album' }).waitFor();
  await context.close();
});

test('a German and a French reader get their own words', async ({ browser, again }) => {
  for (const [locale, word, later] of [['de-DE', 'Einstellungen', 'Aussehen'], ['fr-FR', 'Réglages', 'Apparence']]) {
    const { page, context } = await again(browser, { locale });
    await page.getByRole('link', { name: word }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang), locale.slice(0, 2));
    await visit(page, '/settings');
    await page.getByRole('heading', { name: later }).waitFor();
    await context.close();
  }
});

test('of three windows of one browser one listens for all, and another takes over when it closes', async ({ browser, again }) => {
  const { page: first, context } = await again(browser, {});
  const begun = [];
  context.on('request', (request) => { if (request.url().endsWith('/api/v1/events')) begun.push(request.frame().page()); });
  const more = async () => { const window = await context.newPage(); await window.goto(new URL('/', first.url()).href); await window.waitForSelector('[role=gridcell] img'); return window; };
  await context.addInitScript((value) => sessionStorage.setItem('safelight-secret', value), await first.evaluate(() => sessionStorage.getItem('safelight-secret')));
  await first.reload();
  await first.waitForSelector('[role=gridcell] img');
  const second = await more();
  const third = await more();
  await third.waitForTimeout(500);
  assert.equal(begun.length, 1, 'one connection');
  /** Whether the first photo is a favourite as far as a window knows, or is as wanted; null while it is being fetched. */
  const isFavourite = (wanted) => { const label = document.querySelector('[data-index="0"]')?.getAttribute('aria-label') ?? ''; const is = /, .*, /.test(label) ? label.includes('Favourite') : null; return wanted === undefined ? is : is === wanted; };
  const toggled = async (from, to) => {
    await from.bringToFront();
    await from.waitForSelector('[data-index="0"] img');
    const before = await from.evaluate(isFavourite);
    await from.evaluate(() => document.querySelector('[data-index="0"]').focus());
    await from.keyboard.press('f');
    for (const window of [from, to]) {
      await window.bringToFront();
      await window.waitForFunction(isFavourite, !before);
    }
  };
  await toggled(second, third);
  await first.close();
  await second.waitForTimeout(500);
  assert.deepEqual(begun.slice(1), [second], 'the next one listens');
  await toggled(second, third);
  await toggled(third, second);
  await context.close();
});

test('an address of which there is no page says so in the reader’s language, and leads to the photos', async ({ browser, again, origin, pictures }) => {
  const words = { 'en-GB': ['There is no such page', 'Go to the photos'], 'de-DE': ['Diese Seite gibt es nicht', 'Zu den Fotos'], 'fr-FR': ['Cette page n’existe pas', 'Aller aux photos'] };
  for (const [locale, [title, way]] of Object.entries(words)) {
    const { page, context } = await again(browser, { locale });
    for (const address of ['/nowhere', '/album', '/albums/of/nobody']) {
      await page.goto(`${origin}${address}`);
      await page.getByRole('heading', { level: 1, name: title }).waitFor();
      await page.waitForFunction((wanted) => document.title === `${wanted} – Safelight`, title);
      assert.equal(await page.locator('[role=grid], [aria-current=page]').count(), 0, address);
    }
    assert.deepEqual(await violations(page), []);
    await pictures(`none-${locale.slice(0, 2)}`, page);
    await page.getByRole('link', { name: way }).focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=grid]');
    assert.equal(new URL(page.url()).pathname, '/');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    await page.goBack();
    await page.getByRole('heading', { level: 1, name: title }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    await context.close();
  }
});

test('the gallery can be installed: its manifest and icons are what they say', async ({ page, origin, wrong }) => {
  const debug = await page.context().newCDPSession(page);
  const { url, errors, data } = await debug.send('Page.getAppManifest');
  await debug.detach();
  assert.equal(url, `${origin}/manifest.webmanifest`);
  assert.deepEqual(errors, []);
  const manifest = JSON.parse(data);
  const drawn = await page.evaluate(async (icons) => {
    const found = [];
    for (const icon of icons) {
      const answer = await fetch(icon.src);
      const image = new Image();
      image.src = icon.src;
      await image.decode();
      found.push({ type: answer.headers.get('content-type'), sizes: icon.sizes === 'any' ? 'any' : `${image.naturalWidth}x${image.naturalHeight}` });
    }
    return found;
  }, manifest.icons);
  assert.deepEqual(drawn, manifest.icons.map(({ type, sizes }) => ({ type, sizes })));
  assert.match(await page.evaluate(async () => (await fetch('/manifest.webmanifest')).headers.get('content-type')), /^application\/manifest\+json/);
  assert.deepEqual(wrong, []);
});
