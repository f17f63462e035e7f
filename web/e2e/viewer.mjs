// One photo at a time: Live Photos, comparing, the filmstrip, stacks.
import assert from 'node:assert/strict';
import { visit } from './gallery.mjs';
import { chooseTwo, focused, heard, mocked, test, toGrid, violations } from './steps.mjs';

test('a Live photo moves, silently, while its key, its button or the pointer says so', async ({ browser, again, page, wrong, live }) => {
  if (!live) return;
  await visit(page, `/?q=${encodeURIComponent('name:LIVE_0001.JPG')}`);
  const cell = page.locator('[role=gridcell]').first();
  await cell.waitFor();
  assert.match(await cell.getAttribute('aria-label'), /Live/);
  await cell.click();
  const button = page.locator('dialog[open]').getByRole('button', { name: 'Live' });
  await button.waitFor();
  assert.equal(await page.locator('dialog video').count(), 0, 'nothing moves by itself');
  await page.locator('.stage').focus();
  await page.keyboard.press('l');
  await heard(page, /Playing/);
  const film = page.locator('dialog video.begun');
  await film.waitFor();
  assert.deepEqual(await film.evaluate((video) => [video.muted, video.videoWidth, video.error]), [true, 640, null]);
  assert.equal(await button.getAttribute('aria-pressed'), 'true');
  assert.deepEqual(await violations(page), []);
  // It ends by itself, and the still photo shows again.
  await page.waitForFunction(() => document.querySelector('dialog video') === null);
  await page.getByRole('button', { name: 'Sound' }).click();
  await button.click();
  await film.waitFor();
  assert.equal(await film.evaluate((video) => video.muted), false);
  await page.waitForFunction(() => document.querySelector('dialog video') === null);

  // This window asks for less motion: holding the pointer down starts nothing. In one that does not, it does.
  const press = async (window) => {
    const box = await window.locator('.stage').boundingBox();
    await window.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await window.mouse.down();
    await window.waitForTimeout(700);
    const count = await window.locator('dialog video').count();
    await window.mouse.up();
    return count;
  };
  assert.equal(await press(page), 0);
  await page.keyboard.press('Escape');
  const other = await again(browser, { reducedMotion: 'no-preference' });
  await visit(other.page, `/?q=${encodeURIComponent('name:LIVE_0001.JPG')}`);
  await other.page.locator('[role=gridcell]').first().click();
  await other.page.locator('dialog[open]').getByRole('button', { name: 'Live' }).waitFor();
  assert.equal(await press(other.page), 1);
  await other.page.waitForFunction(() => document.querySelector('dialog video') === null);
  await other.context.close();
  assert.deepEqual(wrong, []);
});

test('two that are chosen are compared, zoomed as one', async ({ page, wrong, pictures }) => {
  await chooseTwo(page);
  await page.keyboard.press('c');
  const compare = page.getByRole('dialog', { name: 'Compare' });
  await compare.waitFor();
  await page.waitForTimeout(400);
  const placed = () => page.evaluate(() => [...document.querySelectorAll('dialog .turned')].map((one) => getComputedStyle(one).transform.replace(/[^\d.,-]/g, '').split(',').map(Number)));
  const before = await placed();
  await page.keyboard.press('+');
  await page.keyboard.press('+');
  await page.keyboard.press('ArrowRight');
  const [first, second] = await placed();
  assert.ok(first[0] > before[0][0] * 2, `${first} is larger than ${before[0]}`);
  assert.deepEqual(first, second, 'both are zoomed and moved alike');
  for (const key of ['o', 'd']) {
    await page.keyboard.press(key);
    await page.waitForTimeout(200);
    assert.deepEqual(await violations(page), [], key);
  }
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('dialog .second')).mixBlendMode), 'difference');
  await pictures('compare-difference');
  await page.keyboard.press('s');
  await pictures('compare');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null && document.activeElement?.getAttribute('role') === 'gridcell');
  await page.keyboard.press('Escape');
  assert.deepEqual(wrong, []);
});

test('the filmstrip goes along, and its choice is kept', async ({ page, wrong }) => {
  await visit(page, '/');
  await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
  await page.keyboard.press('Enter');
  const strip = page.getByRole('navigation', { name: 'Filmstrip' });
  await strip.waitFor();
  assert.equal(await strip.locator('[tabindex="0"]').count(), 1, 'one stop for Tab');
  const title = () => page.locator('dialog h2').first().textContent();
  const first = await title();
  await strip.getByRole('button').nth(1).click();
  await page.waitForFunction((before) => document.querySelector('dialog h2').textContent !== before, first);
  await page.keyboard.press('ArrowLeft');
  await page.waitForFunction((before) => document.querySelector('dialog h2').textContent === before, first);
  assert.equal((await focused(page)).tag, 'BUTTON', 'the focus goes along');
  assert.ok(await page.evaluate(() => document.querySelectorAll('*').length) <= 600);
  await page.keyboard.press('s');
  await page.waitForFunction(() => document.querySelector('dialog nav') === null);
  assert.match(await page.evaluate(() => localStorage.getItem('safelight-look')), /"strip":"off"/);
  await page.locator('.stage').focus();
  await page.keyboard.press('s');
  await strip.waitFor();
  await page.keyboard.press('Escape');
  assert.deepEqual(wrong, []);
});

test('a photo without a picture on this device has a sign in the filmstrip, and no broken picture', async ({ again, browser }) => {
  const { page, context } = await again(browser, {});
  await context.route(/\/t\/[^/]+$/, (route) => route.fulfill({ status: 404, body: '' }));
  await visit(page, '/');
  await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
  await page.keyboard.press('Enter');
  const strip = page.getByRole('navigation', { name: 'Filmstrip' });
  await strip.locator('.none').first().waitFor();
  await page.waitForFunction(() => [...document.querySelectorAll('dialog nav button')].every((one) => one.querySelector('.none') && !one.querySelector('img')));
  assert.notEqual(await strip.locator('[aria-current]').getAttribute('aria-label'), '', 'the sign takes no name away');
  assert.deepEqual(await violations(page), []);
  await context.close();
});

test('only what lies in a stack can be taken out of one', async ({ again, browser }) => {
  const { page, context } = await again(browser, {});
  let stack = null;
  await context.route(/\/assets\/[0-9a-z]+$/, async (route) => { const answer = await route.fetch(); const asset = await answer.json(); await route.fulfill({ response: answer, json: { ...asset, web: { ...asset.web, stack } } }); });
  const offered = async () => {
    await chooseTwo(page);
    await page.getByRole('toolbar', { name: 'Chosen photos' }).getByRole('button', { name: 'More' }).click();
    await page.getByRole('dialog', { name: '2 chosen' }).waitFor();
    const found = await page.getByRole('button', { name: 'Take the stack apart' }).count();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Choose nothing' }).click();
    return found;
  };
  assert.equal(await offered(), 0);
  stack = { cover: 'x', items: [] };
  assert.equal(await offered(), 1);
  await context.close();
});

test('a stack shows as its cover, another becomes it, and it comes apart', async ({ page, wrong, pictures }) => {
  if (mocked) return;
  await visit(page, '/');
  await page.reload();
  await toGrid(page);
  await page.keyboard.press('Space');
  await page.keyboard.press('Shift+ArrowRight');
  await page.keyboard.press('Shift+ArrowRight');
  await heard(page, /3 chosen/);
  const names = await page.evaluate(() => [0, 1, 2].map((at) => document.querySelector(`[data-index="${at}"]`).getAttribute('aria-label')));
  await page.getByRole('button', { name: 'More' }).last().click();
  await page.getByRole('button', { name: /Make a stack/ }).click();
  await heard(page, /3 photos are one stack now/);
  const cover = page.locator('[data-index="0"][aria-label*="Stack of 3"]');
  await cover.waitFor();
  // It is chosen as one photo of three, and each thing to do says of how many it is.
  const bar = page.getByRole('toolbar', { name: 'Chosen photos' });
  await page.keyboard.press('Control+Home');
  await page.keyboard.press('Space');
  await heard(page, /1 chosen, 3 with those in stacks/);
  assert.match(await bar.textContent(), /1 chosen\s*3 with those in stacks/);
  await page.keyboard.press('Shift+ArrowRight');
  await heard(page, /2 chosen, 4 with those in stacks/);
  for (const [key, title] of [['e', 'Date of 4 photos'], ['l', 'Place of 4 photos'], ['t', 'Tags of 2 photos'], ['a', 'Add 2 photos to an album']]) {
    await page.keyboard.press(key);
    await page.getByRole('dialog', { name: title }).waitFor();
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelector('dialog') === null);
  }
  await page.keyboard.press('Control+a');
  await page.waitForFunction(() => document.querySelectorAll('[role=gridcell]').length === document.querySelectorAll('[role=gridcell][aria-selected=true]').length);
  const [chosen] = /[\d,]+/.exec(await bar.textContent());
  await page.keyboard.press('f');
  await heard(page, new RegExp(`${chosen} photos are favourites now`));
  await page.keyboard.press('z');
  await heard(page, /^Undone/);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+Home');
  await page.keyboard.press('Space');
  await page.keyboard.press('Shift+ArrowRight');
  await heard(page, /2 chosen/);
  await page.keyboard.press('Delete');
  await heard(page, /4 photos put into the trash/);
  await page.keyboard.press('z');
  await heard(page, /Undone: 4 photos put into the trash/);
  await cover.waitFor();
  await cover.click();
  const pile = page.getByRole('group', { name: 'Stack of 3' });
  await pile.waitFor();
  assert.equal(await pile.getByRole('radio').count(), 3);
  await pile.getByRole('radio').first().focus();
  await page.keyboard.press('ArrowRight');
  await pile.getByRole('button', { name: 'Make this the cover' }).waitFor();
  assert.deepEqual(await violations(page), []);
  await pictures('stack', page);
  await pile.getByRole('button', { name: 'Make this the cover' }).click();
  await heard(page, /one stack now/);
  await page.waitForFunction(() => document.querySelector('.pile input:checked') === document.querySelector('.pile input'));
  await pile.getByRole('button', { name: 'Take the stack apart' }).click();
  await heard(page, /on their own again/);
  await page.waitForFunction(() => document.querySelector('.pile') === null);
  await page.keyboard.press('Escape');
  await page.waitForFunction((all) => all.every((label) => [...document.querySelectorAll('[data-index]')].some((cell) => cell.getAttribute('aria-label') === label)), names);
  assert.deepEqual(wrong, []);
});

test('what is zoomed into says that it is the preview where the original is larger and browsers do not show it', async ({ page, wrong }) => {
  if (mocked || !process.env.SAFELIGHT_CORPUS) return;
  await visit(page, `/?q=${encodeURIComponent('type:raw')}`);
  await page.locator('[role=gridcell] img').first().click();
  const dialog = page.locator('dialog[open]');
  await dialog.waitFor();
  await page.waitForFunction(() => [...document.querySelectorAll('dialog .turned img')].some((one) => one.naturalWidth > 400));
  const note = dialog.getByText(/This is the preview; the original has \d+ × \d+ pixels/);
  assert.equal(await note.count(), 0, 'not before it is zoomed into');
  await page.locator('.stage').focus();
  for (let step = 0; step < 6; step++) await page.keyboard.press('+');
  await note.waitFor();
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Escape');
  assert.deepEqual(wrong, []);
});

test('in a narrow window with large text everything of the viewer is reached, its panel too', async ({ again, browser, pictures }) => {
  for (const [width, height] of [[360, 740], [320, 640]]) {
    const { page, context } = await again(browser, { viewport: { width, height } });
    await page.evaluate(() => { localStorage.setItem('safelight-look', JSON.stringify({ text: 200 })); });
    await page.reload();
    await page.locator('[role=gridcell] img').first().waitFor();
    await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
    await page.keyboard.press('Enter');
    const dialog = page.locator('dialog[open]');
    await dialog.locator('.stage').waitFor();
    /** Names of what a pointer cannot hit, among what shows. */
    const beyond = (within) => page.evaluate((within) => [...document.querySelectorAll(`dialog ${within} :is(button, a, label)`)].filter((one) => {
      // What scrolls is scrolled to.
      one.scrollIntoView({ block: 'nearest' });
      const box = one.getBoundingClientRect();
      if (box.width === 0) return false;
      const hit = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
      return box.left < 0 || box.right > innerWidth || !one.contains(hit);
    }).map((one) => one.getAttribute('aria-label') ?? one.textContent.trim()), within);
    assert.deepEqual(await beyond('header'), [], `${width}`);
    await dialog.getByRole('button', { name: 'Information', exact: true }).click();
    const panel = dialog.getByRole('complementary', { name: 'Information' });
    await panel.getByText('Where it rests').waitFor();
    const box = await panel.boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= width && box.y + box.height <= height && box.height > height / 4, JSON.stringify(box));
    const offSide = await panel.evaluate((one) => [...one.querySelectorAll('*')].filter((each) => each.getBoundingClientRect().right > one.getBoundingClientRect().left + one.clientWidth + 1 && !each.closest('.unseen, .map')).map((each) => `${each.tagName}.${each.className} ${each.textContent.trim().slice(0, 40)}`));
    assert.deepEqual(offSide, []);
    assert.deepEqual([...await beyond('header'), ...await beyond('aside header'), ...await beyond('.few')], []);
    for (const name of ['Put into the trash', 'Download the original', 'Filmstrip', 'Close information']) assert.equal(await dialog.getByRole(name === 'Download the original' ? 'link' : 'button', { name, exact: true }).filter({ visible: true }).count(), 1, name);
    assert.equal(await panel.getByRole('radio').count(), 5, 'stars');
    assert.deepEqual(await violations(page), []);
    await pictures(`viewer-narrow-${width}`, page);
    await context.close();
  }
});

test('of an original that is gone no file is kept: the page says why, and the badge that there is none', async ({ again, browser }) => {
  const { page, context } = await again(browser, { acceptDownloads: true });
  const missing = { code: 'not-found', message: 'the linked original /disk/1.jpg is not there', hint: 'connect the disk that it is on', why: { code: 'link-absent', values: { path: '/disk/1.jpg' } } };
  let gone = false;
  await context.route(/\/assets\/[0-9a-z]+$/, async (route) => { const answer = await route.fetch(); await route.fulfill({ response: answer, json: { ...(await answer.json()), storage: 'linked' } }); });
  await context.route(/\/assets\/[0-9a-z]+\/fetch(\?whole=true)?$/, (route) => route.fulfill({ json: { missing: gone ? missing : null } }));
  const kept = [];
  page.on('download', (file) => { kept.push(file.suggestedFilename()); void file.cancel(); });
  await page.locator('[role=gridcell] img').first().waitFor();
  await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
  await page.keyboard.press('Enter');
  const dialog = page.locator('dialog[open]');
  const link = dialog.getByRole('link', { name: 'Download the original' }).first();
  const coming = page.waitForEvent('download');
  await link.click();
  await coming;
  assert.equal(kept.length, 1, 'one that is there is kept');
  gone = true;
  await link.click();
  await heard(page, /The linked original .*1\.jpg.* is not there/);
  await dialog.locator('.badges').getByText('Original not found').waitFor();
  assert.equal(await dialog.locator('.badges').getByText(/Waiting|Only here|Synced/).count(), 0);
  await page.keyboard.press('i');
  await page.getByRole('complementary', { name: 'Information' }).getByRole('alert').getByText(/is not there/).waitFor();
  await page.waitForTimeout(300);
  assert.equal(kept.length, 1);
  // And seen without asking for the file, as soon as the photo is looked at.
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  await page.evaluate(() => document.querySelector('[data-index="1"]').focus());
  await page.keyboard.press('Enter');
  await dialog.locator('.badges').getByText('Original not found').waitFor();
  assert.deepEqual(await violations(page), []);
  await context.close();
});

test('two windows that write one caption: the second is told what the first wrote, and loses nothing', async ({ again, browser, page, wrong }) => {
  if (mocked) return;
  const other = await again(browser, {});
  const panel = async (window) => {
    await visit(window, '/');
    await window.waitForSelector('[role=gridcell] img');
    await window.evaluate(() => document.querySelector('[data-index="0"]').focus());
    await window.keyboard.press('Enter');
    await window.locator('dialog[open] .stage').waitFor();
    await window.keyboard.press('i');
    const found = window.getByRole('complementary', { name: 'Information' });
    await found.getByLabel('Caption').waitFor();
    return found;
  };
  const [mine, theirs] = [await panel(page), await panel(other.page)];
  await mine.getByLabel('Caption').fill('typed in one');
  await theirs.getByLabel('Caption').fill('typed in the other');
  await theirs.getByRole('button', { name: 'Save' }).click();
  await heard(other.page, /Caption of 1 photo written/);
  await mine.getByRole('button', { name: 'Save' }).click();
  await heard(page, /changed meanwhile to “typed in the other”. Yours was not written: “typed in one”/);
  await mine.getByText('typed in the other', { exact: true }).waitFor();
  assert.equal(await mine.getByLabel('Caption', { exact: true }).first().inputValue(), 'typed in one');
  assert.deepEqual(await violations(page), []);
  await mine.getByRole('button', { name: 'Write mine over it' }).click();
  await heard(page, /Caption of 1 photo written/);
  await other.page.waitForFunction(() => document.querySelector('aside textarea').value === 'typed in one');
  // The other way round, and the other's is taken.
  await mine.getByLabel('Caption').fill('once more');
  await theirs.getByLabel('Caption').fill('');
  await theirs.getByRole('button', { name: 'Save' }).click();
  await heard(other.page, /Caption of 1 photo written/);
  await mine.getByRole('button', { name: 'Save' }).click();
  await mine.getByRole('button', { name: 'Take that one' }).click();
  assert.equal(await mine.getByLabel('Caption').inputValue(), '');
  assert.equal(await mine.getByRole('button', { name: 'Take that one' }).count(), 0);
  await other.context.close();
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  assert.deepEqual(wrong, []);
});
