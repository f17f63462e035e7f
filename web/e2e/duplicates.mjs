// The review of duplicates.
import assert from 'node:assert/strict';
import { open, standIn, visit } from './gallery.mjs';
import { heard, test, violations } from './steps.mjs';

test('duplicates are reviewed by keys: another kept, one group, a burst, all that are safe, and undone', async ({ browser, pictures }) => {
  // Made-up groups: what is found in a real library is the engine's own test.
  const made = standIn(4_000);
  try {
    const { page, context, wrong } = await open(browser, await made.address);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await visit(page, '/duplicates');
      await page.getByRole('heading', { name: /Group 1 of 4/ }).waitFor();
      assert.deepEqual(await violations(page), [], colorScheme);
      await page.keyboard.press('d');
      await page.getByRole('dialog', { name: 'Compare' }).waitFor();
      await page.waitForTimeout(300);
      assert.deepEqual(await violations(page), [], `comparing, ${colorScheme}`);
      await page.keyboard.press('Escape');
      await page.waitForFunction(() => document.querySelector('dialog') === null);
    }
    assert.ok(await page.evaluate(() => document.querySelectorAll('*').length) <= 600);
    const goes = () => page.locator('article', { hasText: 'Goes into the trash' }).getByRole('heading').allTextContents();
    await page.getByRole('region', { name: 'Duplicates' }).focus();
    assert.deepEqual(await goes(), ['IMG_1002.jpg']);
    await page.keyboard.press('2');
    await heard(page, /IMG_1002.jpg stays/);
    assert.deepEqual(await goes(), ['IMG_1001.jpg']);
    const sent = page.waitForRequest((request) => request.url().endsWith('/duplicates/apply'));
    await page.keyboard.press('k');
    assert.deepEqual((await sent).postDataJSON(), { groups: [{ keep: '000000000002', drop: ['000000000001'] }] });
    await heard(page, /1 duplicate put into the trash/);
    await page.getByRole('heading', { name: /Group 1 of 3 · Nearly/ }).waitFor();
    const asked = [];
    page.on('request', (request) => { if (request.url().endsWith('/undo')) asked.push(request.postDataJSON()); });
    await page.keyboard.press('z');
    await page.getByRole('heading', { name: /Group 1 of 4 · Same picture/ }).waitFor();
    await page.waitForTimeout(300);
    assert.equal(asked.length, 1, 'one press takes back once');

    // A burst is never offered for the trash.
    await page.getByRole('radio', { name: /Bursts/ }).focus();
    await page.keyboard.press('Space');
    await page.getByRole('heading', { name: /Group 1 of 1 · Bursts/ }).waitFor();
    assert.equal(await page.getByRole('button', { name: /trash/ }).count(), 0);
    assert.equal(await page.getByRole('checkbox').count(), 0);
    await page.getByRole('region', { name: 'Duplicates' }).focus();
    await page.keyboard.press('3');
    const stacked = page.waitForRequest((request) => request.url().endsWith('/duplicates/stack'));
    await page.keyboard.press('s');
    assert.equal((await stacked).postDataJSON().groups[0].cover, '00000000000a');
    await page.getByText('There are no duplicates of this kind.').waitFor();

    await page.getByRole('radio', { name: /^All/ }).focus();
    await page.keyboard.press('Space');
    await page.getByRole('heading', { name: /Group 1 of 3/ }).waitFor();
    await pictures('duplicates-review', page);
    await page.getByRole('button', { name: /Settle all 2 safe groups/ }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Enter');
    await heard(page, /3 duplicates put into the trash/);
    await page.getByRole('heading', { name: /Group 1 of 1/ }).waitFor();
    assert.deepEqual(wrong, []);
    await context.close();
  } finally { await made.stop(); }
});

test('the date of a file is called so among duplicates, beside each other and in the panel, and not when it was taken', async ({ browser }) => {
  const made = standIn(4_000);
  try {
    const { page, context, wrong } = await open(browser, await made.address);
    // Of the first group one has no date but that of its file.
    const ofFile = '2019-03-04T05:06:07+00:00';
    await context.route(/\/api\/v1\/duplicates\?/, async (route) => {
      const answer = await route.fetch();
      const found = await answer.json();
      Object.assign(found.groups[0].items[1], { taken: null, file_time: ofFile });
      await route.fulfill({ response: answer, json: found });
    });
    await context.route(/\/assets\/000000000002$/, async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: { ...(await answer.json()), taken: ofFile, taken_from: 'FileTime' } });
    });
    await visit(page, '/duplicates');
    await page.getByRole('heading', { name: /Group 1 of 4/ }).waitFor();
    const dated = (at) => page.locator('article').nth(at).locator('dl div', { hasText: /Taken|File date/ }).innerText();
    assert.match(await dated(0), /^Taken\s/);
    assert.match(await dated(1), /^File date\s+.*2019/);
    await page.keyboard.press('d');
    const compare = page.getByRole('dialog', { name: 'Compare' });
    await compare.locator('tbody tr', { hasText: '2019' }).waitFor();
    assert.match(await compare.locator('tbody tr', { hasText: '2019' }).innerText(), /^Date.*2019.*\(date of the file\)/s);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelector('dialog') === null);
    await visit(page, '/');
    await page.evaluate(() => document.querySelector('[data-index="2"]').focus());
    await page.keyboard.press('Enter');
    await page.locator('dialog[open] .stage').waitFor();
    await page.keyboard.press('i');
    const panel = page.getByRole('complementary', { name: 'Information' });
    await panel.getByText('File date', { exact: true }).waitFor();
    assert.equal(await panel.getByText('Taken', { exact: true }).count(), 0);
    assert.deepEqual(wrong, []);
    await context.close();
  } finally { await made.stop(); }
});
