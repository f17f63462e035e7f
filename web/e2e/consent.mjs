// What is asked before it is done: freeing what is chosen, sending what was held; and prices of one's own.
import assert from 'node:assert/strict';
import { visit } from './gallery.mjs';
import { focused, heard, mocked, test, violations } from './steps.mjs';
import { connectTwo } from './sync.mjs';

const card = (page, remote) => page.getByRole('region', { name: remote, exact: true });
const json = (library, ...words) => JSON.parse(library.run('--json', ...words));
/** Axe in light and dark. */
async function clean(page) {
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    assert.deepEqual(await violations(page), [], colorScheme);
  }
}

test('what is chosen is freed here by keys, only after its plan was seen, and comes back', async ({ page, wrong, library, pictures }) => {
  // Small originals travel in packs and stay: two of the large ones of the corpus are chosen.
  if (!mocked && !process.env.SAFELIGHT_CORPUS) return;
  connectTwo(library);
  if (!mocked) library.run('sync', 'nas');
  const away = () => (mocked ? 0 : json(library, 'local').away_originals);
  const before = away();
  await visit(page, mocked ? '/' : `/?q=${encodeURIComponent('size:>1MB type:photo')}`);
  await page.waitForSelector('[role=gridcell] img');
  await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
  await page.keyboard.press('Space');
  await page.keyboard.press('Shift+ArrowRight');
  await heard(page, /2 chosen/);
  const more = page.getByRole('toolbar').getByRole('button', { name: 'More' });
  await more.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Make room: free these here' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Make room: 2 photos' });
  await dialog.waitFor();
  await dialog.getByRole('checkbox', { name: /Also take new proofs/ }).focus();
  await page.keyboard.press('Space');
  await dialog.getByRole('button', { name: 'See what may go' }).focus();
  await page.keyboard.press('Enter');
  const free = dialog.getByRole('button', { name: /^Free [\d,]+ originals? \(/ });
  await free.waitFor();
  assert.equal(away(), before, 'a plan frees nothing');
  await clean(page);
  await pictures('free-chosen');
  const many = Number(/\d+/.exec(await free.textContent())[0]);
  assert.ok(many === 2, `two photos have ${many} originals`);
  await free.focus();
  await page.keyboard.press('Enter');
  await dialog.locator('section.job', { hasText: 'Making room' }).getByText('Done', { exact: true }).waitFor();
  assert.equal(await free.count(), 0, 'the plan is used up');
  if (!mocked) {
    await dialog.getByText(new RegExp(`^${many} originals? (was|were) freed`)).waitFor();
    assert.equal(away(), before + many, 'just those went');
  }
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  if (!mocked) {
    library.run('local', 'fetch', '--all');
    assert.equal(away(), 0);
  }
  await page.keyboard.press('Escape');
  assert.deepEqual(wrong, []);
});

test('what was held goes only after somebody agreed to how much that is', async ({ page, wrong, library, pictures }) => {
  connectTwo(library);
  if (!mocked) {
    library.run('remote', 'set', 'cloud', 'only=tag:many', 'expose=2');
    const five = json(library, 'list', 'type:photo size:>1MB sync:cloud=local-only').slice(0, 5).map((one) => one.id);
    assert.equal(five.length, 5);
    library.run('set', ...five, 'tag+=many', '--yes');
    assert.throws(() => library.run('sync', 'cloud'), /5 originals .* wait for your consent/);
    assert.equal(json(library, 'list', '--count', 'sync:cloud=synced').count, 0, 'more than two at once were held');
  }
  await visit(page, '/');
  await visit(page, '/remotes');
  const many = mocked ? 310 : 5;
  await card(page, 'cloud').getByText(`${many} originals wait for your consent`).waitFor();
  await card(page, 'cloud').getByText('What is not there, and why').focus();
  await page.keyboard.press('Enter');
  await card(page, 'cloud').getByText('Waits for your consent', { exact: true }).waitFor();
  const send = card(page, 'cloud').getByRole('button', { name: `Send all ${many}` });
  await send.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: `Send ${many} originals` });
  await dialog.getByText(new RegExp(`^${many} originals \\(.+\\) came to match what goes to cloud`)).waitFor();
  await clean(page);
  await pictures('held-consent');
  // No is no, and the focus is where it was.
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  assert.match((await focused(page)).name, /^Send all/);
  if (!mocked) assert.equal(json(library, 'list', '--count', 'sync:cloud=synced').count, 0);
  await page.keyboard.press('Enter');
  await dialog.waitFor();
  await dialog.getByRole('button', { name: `Send all ${many}` }).focus();
  await page.keyboard.press('Enter');
  await page.locator('section.job', { hasText: 'Syncing' }).getByText('Done', { exact: true }).waitFor();
  await page.waitForFunction(() => !/wait for your consent/.test(document.body.textContent ?? ''));
  if (!mocked) assert.equal(json(library, 'list', '--count', 'sync:cloud=synced').count, 5);
  assert.deepEqual(wrong, []);
});

test('prices of one’s own are typed in, and the estimate goes by them and says so', async ({ page, wrong, library, pictures }) => {
  connectTwo(library);
  await visit(page, '/');
  await visit(page, '/remotes');
  await card(page, 'nas').getByRole('button', { name: 'Change: nas' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'What goes to nas, and when' });
  await dialog.getByText('Prices of your own').focus();
  await page.keyboard.press('Enter');
  await dialog.getByLabel(/US \$ for a GiB .*month/).fill('1000');
  await dialog.getByLabel('US $ for a GiB home').fill('5000');
  await clean(page);
  await pictures('own-prices');
  const asked = page.waitForRequest((request) => request.method() === 'PATCH');
  await dialog.getByRole('button', { name: 'Save' }).focus();
  await page.keyboard.press('Enter');
  assert.deepEqual((await asked).postDataJSON().settings, { 'price.hot.month': 1000, 'price.out': 5000 });
  await heard(page, /nas is changed/);
  if (!mocked) {
    await card(page, 'nas').getByText('What it costs').focus();
    await page.keyboard.press('Enter');
    await card(page, 'nas').getByText(/An estimate by .*prices that you gave/).waitFor();
    const cost = await page.evaluate(async () => (await (await fetch('/api/v1/costs', { headers: { 'x-safelight': sessionStorage.getItem('safelight-secret') } })).json()).find((one) => one.remote === 'nas'));
    const rests = cost.resting.reduce((sum, tier) => sum + tier.bytes, 0);
    const month = cost.resting.reduce((sum, tier) => sum + tier.month_usd, 0);
    assert.ok(rests > 0 && Math.abs(month - (rests / 2 ** 30) * 1000) < 0.01, `${rests} bytes at $1000 for 2^30 are $${month}`);
    const said = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD' }).format(month);
    await card(page, 'nas').getByText(said, { exact: true }).first().waitFor();
    await pictures('own-prices-estimate');
  }
  assert.deepEqual(wrong, []);
});
