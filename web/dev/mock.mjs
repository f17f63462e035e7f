// A stand-in for `safelight serve` with made-up photos, for work on the pages and for a million of them:
//   node dev/mock.mjs [PHOTOS] [PORT]      prints the address; needs `npm run build` first
// It answers the contract of crates/server, with the same security headers, and forgets everything when it ends.
import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { devices } from './devices.mjs';
import { past } from './past.mjs';
import { first, firstRun, waits } from './first.mjs';
import { hidden, isOpen, PASSPHRASE, shut } from './hidden.mjs';
import { jobs } from './jobs.mjs';
import { map, mapPiece } from './map.mjs';
import { smart } from './smart.mjs';
import { sync } from './sync.mjs';
import { whereabouts } from './whereabouts.mjs';

// Parts of the gallery whose answers lie in files of their own: each is asked in turn, with { call, method, query, body,
// fail, world }, and gives what is answered as JSON, or undefined when the call is not its own.
const PARTS = [devices, hidden, jobs, first, map, past, smart, sync, whereabouts];

const total = Number(process.argv[2] ?? 4000);
const port = Number(process.argv[3] ?? 0);
const dist = join(import.meta.dirname, '../dist');
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png', '.json': 'application/json', '.webmanifest': 'application/manifest+json' };
const CSP = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

const hash = (n) => { let x = Math.imul(n ^ 0x9e3779b9, 0x85ebca6b); x ^= x >>> 13; x = Math.imul(x, 0xc2b2ae35); return (x ^ (x >>> 16)) >>> 0; };
const CITIES = [['Lisbon', 'Lisboa', 'PT', 38.72, -9.14], ['Reykjavík', 'Capital Region', 'IS', 64.15, -21.94], ['Kyoto', 'Kyoto', 'JP', 35.01, 135.77], ['Berlin', 'Berlin', 'DE', 52.52, 13.4], ['Nairobi', 'Nairobi', 'KE', -1.29, 36.82], ['Vancouver', 'British Columbia', 'CA', 49.28, -123.12]];
const SYNC = ['synced', 'synced', 'synced', 'synced', 'local-only', 'waiting', 'cloud-only', 'failed'];

// Days: some large, most small, a few years back from a fixed day.
const days = [];
for (let left = total, at = Date.UTC(2026, 10, 20), seed = 1; left > 0; seed++) {
  const roll = hash(seed) % 100;
  const scale = Math.max(1, total / 4000);
  const count = Math.min(left, roll < 55 ? 1 + (hash(seed * 7) % Math.ceil(5 * scale)) : roll < 90 ? Math.ceil((6 + (hash(seed * 3) % 20)) * scale) : Math.ceil((30 + (hash(seed * 5) % 80)) * scale));
  const date = new Date(at);
  days.push([date.getUTCFullYear() * 10_000 + (date.getUTCMonth() + 1) * 100 + date.getUTCDate(), count]);
  left -= count;
  at -= 86_400_000 * (1 + (hash(seed * 11) % (roll < 80 ? 4 : 40)));
}
const starts = []; { let sum = 0; for (const [, count] of days) { starts.push(sum); sum += count; } }
const ratioOf = (n) => [117, 157, 157, 157, 149, 149, 107, 99, 170, 128][hash(n + 17) % 10];
const skeleton = Buffer.alloc(16 + days.length * 8 + total);
[1, total, days.length, 0].forEach((word, at) => skeleton.writeUInt32LE(word, at * 4));
days.forEach(([day, count], at) => { skeleton.writeUInt32LE(day, 16 + at * 8); skeleton.writeUInt32LE(count, 20 + at * 8); });
for (let n = 0; n < total; n++) skeleton[16 + days.length * 8 + n] = ratioOf(n);

const dayOf = (n) => { let low = 0, high = starts.length; while (low < high) { const middle = (low + high) >> 1; if (starts[middle] <= n) low = middle + 1; else high = middle; } return low - 1; };
const hsl = (n) => { const h = hash(n) % 360; const f = (k) => { const a = (k + h / 30) % 12; return Math.round(255 * (0.42 - 0.16 * Math.max(-1, Math.min(a - 3, 9 - a, 1)))).toString(16).padStart(2, '0'); }; return f(0) + f(8) + f(4); };
const changed = new Map();
let revision = 1;
const photo = (n) => {
  const [city, region, country, lat, lon] = CITIES[hash(dayOf(n) * 13) % CITIES.length];
  const day = String(days[dayOf(n)][0]);
  return { id: n.toString(16).padStart(12, '0'), taken: `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T${String(8 + (hash(n) % 12)).padStart(2, '0')}:${String(hash(n) % 60).padStart(2, '0')}:00`, kind: hash(n * 3) % 23 === 0 ? 'video' : hash(n * 3) % 29 === 0 ? 'raw' : 'photo', sync: SYNC[hash(n * 31) % SYNC.length], favourite: hash(n * 5) % 19 === 0, rating: hash(n * 9) % 7 === 0 ? 4 : 0, name: `IMG_${String(1000 + (n % 9000))}.jpg`, color: hsl(n), place: `${city}, ${region}, ${country}`, lat, lon, rotate: 0, caption: null, live: n % 37 === 1, motion: n % 41 === 2, stack: n % 43 === 3 ? 3 : 0, tags: [], albums: [], ...changed.get(n) };
};
const svg = (n) => `<svg xmlns="http://www.w3.org/2000/svg" width="480" height="${Math.round(480 / 2 ** ((ratioOf(n) - 128) / 50))}" viewBox="0 0 100 100" preserveAspectRatio="none"><rect width="100" height="100" fill="#${hsl(n)}"/><rect width="100" height="${45 + (hash(n) % 20)}" fill="#${hsl(n + 5)}" opacity=".6"/><path d="M0 100 ${hash(n) % 60} ${30 + (hash(n * 2) % 30)} 100 100z" fill="#${hsl(n + 9)}"/><circle cx="${20 + (hash(n * 3) % 60)}" cy="${15 + (hash(n * 4) % 20)}" r="6" fill="#fff" opacity=".85"/></svg>`;

// Groups of duplicates: the first is the same picture in another file, the next nearly so, the last a burst.
const copy = (n, more = {}) => ({ ...(({ id, name, kind, taken, place, rotate }) => ({ id, name, kind, taken, place, rotate }))(photo(n)), width: 6000, height: 4000, bytes: 4_200_000, media_type: 'image/jpeg', camera: 'FUJIFILM X-T5', albums: [], albums_count: 0, tags: [], favourite: false, rating: null, caption: null, title: null, here: true, likeness: 100, stacked: false, cannot_drop: null, ...more });
const groups = [
  { id: 'g1', kind: 'exact', safe: true, unsafe_because: null, keep: '000000000001', reason: 'It has the same pixels in the larger file, and lies in an album.', reason_code: 'albums', differing: ['bytes', 'media_type', 'albums'], items: [copy(1, { albums: [{ id: 'a2', path: 'Trips/Iceland' }], albums_count: 1 }), copy(2, { bytes: 3_100_000, media_type: 'image/png' })] },
  { id: 'g2', kind: 'near', safe: true, unsafe_because: null, keep: '000000000003', reason: 'It has more pixels.', reason_code: 'resolution', differing: ['dimensions', 'bytes'], items: [copy(3), copy(4, { width: 1600, height: 1067, bytes: 310_000, likeness: 98 }), copy(5, { width: 1024, height: 683, bytes: 120_000, likeness: 97 })] },
  { id: 'g3', kind: 'near', safe: false, unsafe_because: 'one of them was cropped', keep: '000000000006', reason: 'It shows more of the picture.', reason_code: 'resolution', differing: ['dimensions', 'bytes', 'rating'], items: [copy(6), copy(7, { width: 5400, height: 3600, bytes: 3_300_000, likeness: 91, rating: 4, cannot_drop: null })] },
  { id: 'g4', kind: 'burst', safe: false, unsafe_because: null, keep: '000000000009', reason: 'It is the sharpest of the burst.', reason_code: 'size', differing: ['bytes', 'taken'], items: [copy(9), copy(8, { likeness: 93 }), copy(10, { likeness: 92 }), copy(11, { likeness: 90 })] },
];
let gone = [];
const streams = new Set();
const read = (request) => new Promise((resolve) => { let text = ''; request.on('data', (piece) => { text += piece; }); request.on('end', () => resolve(text ? JSON.parse(text) : {})); });
let locked = false;

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const headers = { 'content-security-policy': CSP, 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp', 'cross-origin-resource-policy': 'same-origin', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' };
  const json = (value, status = 200) => { response.writeHead(status, { ...headers, 'content-type': 'application/json' }); response.end(JSON.stringify(value)); };
  const fail = (status, code, message, more = {}) => json({ error: { code, message, ...more } }, status);
  const world = { photo, total, CITIES, revise: () => { revision++; for (const stream of streams) stream.write(`event: revision\ndata: {"revision":${revision}}\n\n`); return revision; }, tell: (event, value) => { for (const stream of streams) stream.write(`event: ${event}\ndata: ${JSON.stringify(value)}\n\n`); } };
  const path = url.pathname;
  if (path.startsWith('/media/')) {
    const n = parseInt(path.split('/').at(-1), 16);
    response.writeHead(200, { ...headers, 'content-type': 'image/svg+xml' });
    return response.end(svg(n));
  }
  if (!path.startsWith('/api/v1/')) {
    let file = normalize(join(dist, path));
    if (!file.startsWith(dist) || path === '/' || !extname(path)) file = join(dist, 'index.html');
    if (!existsSync(file)) return fail(404, 'not-found', 'there is no such file');
    response.writeHead(200, { ...headers, 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
    return response.end(readFileSync(file));
  }
  const call = path.slice(8);
  if (call === 'session' && request.method === 'POST') return json({ secret: 'mock', media: '/media/mock', instance: 'mock' });
  if (call === 'session/known') return json({ session: request.headers['x-safelight'] === 'mock' ? { media: '/media/mock', instance: 'mock' } : null });
  if (call === 'searches/check') { const q = url.searchParams.get('q') ?? ''; const at = /date:\S*-1[3-9]/.test(q) ? q.indexOf('date:') + 5 : -1; return json({ mistake: at < 0 ? null : { code: 'query', message: 'a date is a year, a month or a day, or a range of them, such as date:2023-05..2023-07', at: [at, at + 7] } }); }
  if (request.headers['x-safelight'] !== 'mock') return fail(401, 'no-session', 'this window has no session', { hint: 'safelight serve' });
  if (call === 'session') return json({ media: '/media/mock', instance: 'mock' });
  if (call === 'unlock') { const { passphrase } = await read(request); if (passphrase !== PASSPHRASE) return fail(403, 'wrong-passphrase', 'That is not the passphrase.'); locked = false; return json({ revision }); }
  if (call === 'status') return json({ library: { id: 'mock', path: '/home/me/Photos' }, locked, read_only: false, revision, counts: { shown: total, hidden: isOpen() ? 3 : null, trashed: 2 }, hidden: { open: isOpen() }, first_run: null, state: { places: 2, in_fewer_than_two_places: 12, original_bytes: total * 4_200_000, undecodable: 12, operations: total * 4 }, ...firstRun() });
  if (waits(call)) return fail(409, 'no-library', 'there is no library yet');
  if (locked) return fail(423, 'locked', 'the library is locked');
  if (call === 'present') { response.writeHead(204, headers); return response.end(); }
  if (call === 'lock') { locked = true; shut(); for (const stream of streams) stream.write('event: locked\ndata: null\n\n'); return json({ revision }); }
  if (call === 'events') { response.writeHead(200, { ...headers, 'content-type': 'text/event-stream' }); response.write(': here\n\n'); streams.add(response); return request.on('close', () => streams.delete(response)); }
  const q = url.searchParams.get('q') ?? '';
  if (call.startsWith('timeline/') && /date:\S*-1[3-9]/.test(q)) { const at = q.indexOf('date:') + 5; return fail(400, 'query', 'a date is a year, a month or a day, or a range of them, such as date:2023-05..2023-07', { at: [at, at + 7] }); }
  if (call.startsWith('timeline/') && !isOpen() && (url.searchParams.get('shelf') === 'hidden' || q.includes('is:hidden'))) return fail(403, 'hidden-closed', 'hidden photos are closed', { hint: 'type the passphrase once more' });
  const none = q === 'nothing' || url.searchParams.get('shelf') === 'trash';
  if (call === 'timeline/skeleton') {
    const etag = `"${revision}-${none}"`;
    if (request.headers['if-none-match'] === etag) { response.writeHead(304, headers); return response.end(); }
    response.writeHead(200, { ...headers, 'content-type': 'application/octet-stream', etag });
    return response.end(none ? Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) : skeleton);
  }
  if (call === 'timeline/columns') {
    const start = Number(url.searchParams.get('start'));
    const rows = Array.from({ length: Math.min(Number(url.searchParams.get('count')), total - start) }, (_, at) => photo(start + at));
    const column = (pick) => rows.map(pick);
    return json({ revision, start, id: column((p) => p.id), taken: column((p) => p.taken), kind: column((p) => p.kind), duration_ms: column((p) => (p.kind === 'video' ? 47_000 : 0)), sync: column((p) => p.sync), favourite: column((p) => p.favourite), rating: column((p) => p.rating), name: column((p) => p.name), color: column((p) => p.color), undecodable: column(() => false), rotate: column((p) => p.rotate), place: column((p) => p.place), caption: column((p) => p.caption), live: column((p) => p.live), motion: column((p) => p.motion), stack: column((p) => p.stack) });
  }
  if (call === 'timeline/position') return json({ index: parseInt(url.searchParams.get('id'), 16) });
  if (call.startsWith('assets/')) {
    const p = photo(parseInt(call.slice(7), 16));
    return json({ ...p, web: { original: false, mime: 'image/svg+xml', moves: p.live || p.motion, stack: p.stack > 1 ? { cover: p.id, items: [0, 1, 2, 3].map((more) => photo(parseInt(p.id, 16) + more)).map(({ id, name, kind, rotate }) => ({ id, name, kind, rotate })) } : null }, path: `2024/${p.name}`, size: 4_200_000, media_type: 'image/svg+xml', title: null, keywords: [], position: [p.lat, p.lon], hidden: false, trashed: false, storage: 'copied', place_count: 2, places: [{ remote: null, how: 'here' }, { remote: 'nas', how: 'synced', proven: '2026-11-01T10:00:00Z' }], facts: { width: 6000, height: 4000, camera_make: 'FUJIFILM', camera_model: 'X-T5', lens: 'XF33mmF1.4', iso: 200, aperture: { numerator: 28, denominator: 10 }, exposure_seconds: { numerator: 1, denominator: 250 }, focal_length_mm: { numerator: 33, denominator: 1 } }, history: [{ when: '2026-11-01 10:00:00', device: 'x', what: `added ${p.name}` }] });
  }
  if (call === 'edit') {
    const { items = [], set = {}, add = {} } = await read(request);
    for (const id of items) { const n = parseInt(id, 16); const { rotate_by: by, ...rest } = set; const was = photo(n); changed.set(n, { ...changed.get(n), ...rest, ...(by ? { rotate: (was.rotate + by + 360) % 360 } : {}), ...(add.tags ? { tags: [...was.tags, ...add.tags] } : {}), ...(add.albums ? { albums: [...was.albums, ...add.albums] } : {}) }); }
    revision++;
    for (const stream of streams) stream.write(`event: revision\ndata: {"revision":${revision}}\n\n`);
    return json({ revision, changed: items.length || total, undo: 'u' });
  }
  if (call === 'duplicates') {
    const open = groups.filter((group) => !gone.includes(group.id) && (!url.searchParams.get('kind') || url.searchParams.get('kind') === group.kind));
    const start = Number(url.searchParams.get('start') ?? 0);
    const counted = groups.filter((group) => !gone.includes(group.id));
    return json({ revision, total: open.length, counts: Object.fromEntries(['exact', 'near', 'burst'].map((kind) => [kind, counted.filter((group) => group.kind === kind).length])), safe: counted.filter((group) => group.safe).length, freed_bytes: 3_530_000, start, groups: open.slice(start, start + Number(url.searchParams.get('count') ?? 50)) });
  }
  if (call === 'duplicates/apply' || call === 'duplicates/stack') {
    const { groups: asked = [], safe } = await read(request);
    const settled = groups.filter((group) => !gone.includes(group.id) && (safe ? group.safe : asked.some((one) => group.items.some((item) => item.id === (one.keep ?? one.cover)))));
    if (call.endsWith('apply') && settled.some((group) => group.kind === 'burst')) return fail(409, 'refused', 'a burst is never put into the trash');
    gone = [...gone, ...settled.map((group) => group.id)];
    revision++;
    const trashed = call.endsWith('apply') ? settled.reduce((sum, group) => sum + group.items.length - 1, 0) : 0;
    return json({ revision, undo: 'duplicates', changed: trashed || 3, unchanged: 0, notices: [], kept: settled.length, trashed, freed_bytes: 3_100_000, verified: settled.length });
  }
  if (call === 'undo') { const { undo } = await read(request); if (undo === 'switch') { sync({ call, body: { undo }, world }); return json({ revision, changed: 1, undo: null }); } if (undo === 'duplicates') gone = []; revision++; return json({ revision, changed: 1, undo: null }); }
  if (['trash', 'trash/restore'].includes(call)) return json({ revision, changed: 1, undo: 'u' });
  if (call === 'tags') return json([{ name: 'trips/sea', count: 3 }]);
  if (call === 'complete') return json({ from: 0, to: q.length, choices: [{ text: 'place:', note: 'where it was taken' }, { text: 'date:', note: 'when' }, { text: 'is:favourite', note: 'favourites' }].filter((one) => one.text.startsWith(q)) });
  if (call === 'map/tiles/file') return mapPiece(request, response, headers, fail);
  if (call === 'map') return json({ cells: CITIES.map(([, , , lat, lon], at) => ({ lat, lon, count: Math.round(total / (at + 2)), id: '0' })) });
  if (call === 'places') return json(CITIES.map(([city, region, country, lat, lon], at) => ({ city, region, country, count: Math.round(total / (at + 2)), position: [lat, lon] })));
  if (call === 'conflicts') return json([{ item: '000000000003', name: 'IMG_1003.jpg', kind: 'photo', field: 'caption', values: [{ shows: true, value: 'At the harbour', when: '2026-05-14 10:11:12', device: '9be1c07a' }, { shows: false, value: 'Harbour, noon', when: '2026-05-14 10:09:40', device: '24w4zu3x' }] }]);
  const body = request.method === 'GET' ? {} : await read(request);
  for (const part of PARTS) {
    const given = part({ call, method: request.method, query: url.searchParams, body, fail, world });
    if (response.writableEnded) return;
    if (given !== undefined) return json(given);
  }
  return fail(404, 'not-found', 'there is no such route');
});
server.listen(port, '127.0.0.1', () => console.log(`http://localhost:${server.address().port}/#t=mock`));
