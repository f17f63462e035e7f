// The first run, importing and connecting, as if: with SAFELIGHT_FIRST=1 there is no library until one is made.
import { work } from './jobs.mjs';

let missing = process.env.SAFELIGHT_FIRST === '1';
const HOME = '/home/me';
const FOLDERS = [`${HOME}/Documents`, `${HOME}/Pictures`, `${HOME}/Pictures/2024`, `${HOME}/Pictures/2024/Iceland`, `${HOME}/Pictures/2025`, `${HOME}/Phone`, '/media/card/DCIM'];
const WORDS = 'abandon ability able about above absent absorb abstract absurd abuse access accident account accuse achieve acid acoustic acquire across act action actor actress actual'.split(' ');
const ASK = [3, 11, 20];
let sources = [];

/** What `/status` says more. */
export const firstRun = () => (missing ? { first_run: { folder: `${HOME}/.local/share/safelight/library` }, library: { id: '', path: `${HOME}/.local/share/safelight/library` }, revision: null, counts: null, state: null } : {});
/** Whether a call must wait until there is a library. */
export const waits = (call) => missing && !/^(session|status|events|folders|jobs|first\/|remotes\/kinds)/.test(call);

const KINDS = [
  { kind: 'folder', example: 'folder:/media/disk/photos', credential: null, credential_example: null, sign_in: false },
  { kind: 'azure', example: 'azure://account/container', credential: 'optional', credential_example: 'sv=2024-…&sig=…', sign_in: false },
  { kind: 's3', example: 's3://bucket/photos?endpoint=https://s3.example.org', credential: 'optional', credential_example: 'access key\nsecret key', sign_in: false },
  { kind: 'webdav', example: 'webdavs://cloud.example.org/photos', credential: 'needed', credential_example: 'user\npassword', sign_in: false },
  { kind: 'sftp', example: 'sftp://me@nas/photos', credential: 'optional', credential_example: 'user\npassword', sign_in: false },
  { kind: 'dropbox', example: 'dropbox:/photos', credential: null, credential_example: null, sign_in: true },
];

export const first = (asked) => {
  const { call, method, query, body, fail, world } = asked;
  const made = () => { missing = false; world.revise(); };
  if (call === 'folders') {
    const path = (query.get('path') ?? '').replace(/^~/, HOME);
    const bare = path.replace(/(?<=.)\/$/, '');
    const folders = path === '' ? [`${HOME}/Pictures`, '/media/card/DCIM'] : FOLDERS.filter((one) => one.startsWith(path) && !one.slice(path.length).slice(1).includes('/'));
    return { path: query.get('path') ?? '', is_folder: FOLDERS.includes(bare) || bare === HOME, home: HOME, folders };
  }
  if (call === 'first/words') return { words: WORDS, ask: ASK };
  if (call === 'first/strength') {
    const { passphrase } = body;
    if (passphrase.length < 8) return { score: 0, refused: 'a passphrase has at least 8 characters', refused_code: 'short', seconds_log10: 1 };
    return { score: Math.min(4, Math.floor(passphrase.length / 6)), refused: null, refused_code: null, seconds_log10: passphrase.length };
  }
  if (call === 'first/create') {
    const wrong = ASK.filter((at) => body.words_back[at] !== WORDS[at - 1]);
    if (wrong.length > 0) return fail(403, 'wrong-words', 'these are not the words that were shown', { wrong });
    made();
    return { id: 'mock', path: `${HOME}/.local/share/safelight/library` };
  }
  if (call === 'first/words/check') return body.words.trim().split(/\s+/).length === 24 ? {} : fail(400, 'not-understood', 'these are no recovery words');
  if (call === 'first/join') {
    const error = body.words === WORDS.join(' ') ? null : { code: 'locked', message: 'these words open nothing there', hint: 'compare them with your paper' };
    return work(asked, 'join', { task: 'sync', steps: 8, error, then: made, report: { library: 'mock', began_with_checkpoint: true, first_thumbnails: 200, outcomes: [] } });
  }
  if (call === 'import') {
    if (body.paths.some((path) => path.includes('Phone')) && !body.consent && !body.link) return work(asked, 'import', { error: { code: 'needs-consent', message: 'the photos would fill the disk', space: { bytes: 80e9, free_bytes: 90e9 } } });
    if (body.watch) sources = [...sources, ...body.paths.map((path) => ({ path, link: body.link, remove_after_proof: false, online: true }))];
    return work(asked, 'import', { steps: 24, bytes: 96e6, report: { imported: 20, imported_bytes: 80e6, versions: 0, unchanged: 0, known: 3, duplicates: 0, undecodable: 1, refused: [{ reason: 'no photo or video', files: 2 }], failed: 0, previews_pending: 0, lines: [] }, then: () => world.revise() });
  }
  if (call === 'sources') {
    if (method === 'DELETE') { sources = sources.filter((one) => one.path !== query.get('path')); return {}; }
    return sources;
  }
  if (call === 'remotes/kinds') return KINDS;
  if (call === 'remotes' && method === 'POST') {
    if (body.address.includes('refuse')) return fail(409, 'refused', 'that place refuses to be written to', { hint: 'give this user the right to write there' });
    return { name: body.name, address: body.address, proof: null, capabilities: [{ capability: 'list', works: true, reason: null }, { capability: 'delete', works: true, reason: null }, { capability: 'put-if-absent', works: true, reason: null }, { capability: 'tiers', works: false, reason: 'a folder has none' }] };
  }
  if (call === 'sync' && method === 'POST') return work(asked, 'sync', { steps: 12, bytes: 40e6, report: { outcomes: [] } });
};
