// Remotes with what waits and what it costs, space on this device, and the archive.
import { work } from './jobs.mjs';

const remotes = [
  { name: 'nas', address: 'folder:/mnt/nas/photos', policy: { kind: 'full', only: null, older_days: null, by: null, unmetered: null, expose: 200, tier: null, switches: 0 }, limit: '2MB/s@08:00-18:00', quiet: null, synced_millis: 1795762649634, last_error: null, safe_originals: 3960, waiting_originals: 40, held_originals: 0, local_originals: 0, failed_originals: 0 },
  { name: 'cloud', address: 's3://bucket/photos?endpoint=https://s3.example.org', policy: { kind: 'selective', only: 'album:Family rating:>=4', older_days: null, by: null, unmetered: null, expose: 200, tier: 'cool', switches: 3 }, limit: null, quiet: '22:00-07:00', synced_millis: null, last_error: 'the bucket refuses this key', safe_originals: 300, waiting_originals: 312, held_originals: 310, local_originals: 3386, failed_originals: 2 },
];
const named = (from) => Array.from({ length: 6 }, (_, n) => ({ id: (from + n).toString(16).padStart(12, '0'), name: `IMG_${1000 + from + n}.jpg` }));
const waiting = {
  nas: [{ state: 'waiting', reason: 'it was not sent yet', why: { code: 'not-sent-yet', values: {} }, originals: 40, bytes: 168_000_000, next_try_millis: null, examples: named(3) }],
  cloud: [
    { state: 'failed', reason: 'the bucket refuses this key', originals: 2, bytes: 8_400_000, next_try_millis: 1795766249634, examples: named(20).slice(0, 2) },
    { state: 'held', reason: 'it waits for your consent, as it came to match with many others', why: { code: 'needs-consent', values: {} }, originals: 310, bytes: 1_302_000_000, next_try_millis: null, examples: named(30) },
    { state: 'off', reason: 'the selection does not ask for it', why: { code: 'not-selected', values: {} }, originals: 3386, bytes: 14_221_200_000, next_try_millis: null, examples: named(50) },
  ],
};
const costs = [
  { remote: 'nas', prices: null, estimated: true, resting: [{ tier: null, objects: 3990, bytes: 16_632_000_000, write_usd: 0, month_usd: 0, return_usd: 0, least_days: 0 }], next_sync: [{ tier: null, objects: 42, bytes: 168_000_000, write_usd: 0, month_usd: 0, return_usd: 0, least_days: 0 }] },
  { remote: 'cloud', prices: 'list prices of Amazon S3, us-east-1, as known in 2025 (aws.amazon.com/s3/pricing)', estimated: true, resting: [{ tier: 'cool', objects: 300, bytes: 1_260_000_000, write_usd: 0, month_usd: 0.016, return_usd: 0.126, least_days: 30 }, { tier: 'hot', objects: 12, bytes: 90_000_000, write_usd: 0, month_usd: 0.002, return_usd: 0.008, least_days: 0 }], next_sync: [{ tier: 'cool', objects: 2, bytes: 8_400_000, write_usd: 0.00002, month_usd: 0.0001, return_usd: 0.001, least_days: 30 }] },
];
const settings = { budget_bytes: 10_000_000_000, proof_age_seconds: 604_800, originals: 'on-demand' };
const own = { lock_after_seconds: 900, lock_after_told_seconds: null, workers: null, cores: 4 };
let freed = 0;
let plans = 0;
const basket = new Map();
const STANDS = ['archived', 'archived', 'thawing', 'cloud-only'];

const held = () => {
  const items = [...basket.values()];
  const of = (state) => items.filter((item) => item.state === state);
  const size = (state) => of(state).reduce((sum, item) => sum + item.bytes, 0);
  const archived = of('archived').length;
  return { photos: items.length, items: items.slice(0, 200), archived, archived_bytes: size('archived'), thawing: of('thawing').length, thawing_bytes: size('thawing'), readable: of('cloud-only').length, all_archived: 120, all_thawing: 1,
    costs: archived ? [{ remote: 'cloud', originals: archived, objects: archived, bytes: size('archived'), usd: 0.42, prices: costs[1].prices }] : [],
    priorities: archived ? [{ priority: 'standard', up_to_hours: 15, dearer: false }, { priority: 'high', up_to_hours: 1, dearer: true }] : [] };
};

function change(remote, { settings: wanted, consent }, fail) {
  if (wanted.older !== undefined && !/^\d+[dmy]?$/.test(wanted.older)) return fail(400, 'not-understood', 'an age is a number of days, months or years, such as older=400d', { setting: 'older' });
  if (/rating:[6-9]/.test(wanted.only ?? '')) return fail(400, 'not-understood', 'a rating is 0 to 5', { setting: 'only', at: [wanted.only.search(/rating:[6-9]/) + 7, wanted.only.search(/rating:[6-9]/) + 8] });
  if ((wanted.policy === 'on-demand' || wanted.only === 'type:photo') && !consent) return { asks: { code: 'needs-consent', message: 'much would newly go there', exposes: { remote: remote.name, originals: 3386, bytes: 14_221_200_000, most: remote.policy.expose } } };
  const text = (name) => (wanted[name] === undefined ? remote[name] : wanted[name] === 'none' ? null : wanted[name]);
  Object.assign(remote, { limit: text('limit'), quiet: text('quiet'), daily: text('daily') });
  Object.assign(remote.policy, { kind: wanted.policy ?? remote.policy.kind, ...(wanted.only === undefined ? {} : { only: wanted.only || null }), ...(wanted.expose === undefined ? {} : { expose: wanted.expose }), ...(wanted.tier ? { tier: wanted.tier } : {}) });
  if (wanted.older) Object.assign(remote.policy, { older_days: Number.parseInt(wanted.older, 10) * ({ y: 365, m: 30 }[wanted.older.at(-1)] ?? 1), by: wanted.by ?? 'captured' });
  return { remote: remote.name, policy: remote.policy.kind, newly_exposed: 0, newly_exposed_bytes: 0, waiting_originals: remote.waiting_originals };
}

export const whereabouts = (asked) => {
  const { call, method, body, fail, world } = asked;
  if (call === 'remotes' && method === 'GET') return remotes;
  const [, name, rest] = /^remotes\/([^/]+)(\/waiting)?$/.exec(call) ?? [];
  const remote = remotes.find((one) => one.name === name);
  if (remote && rest) return { groups: waiting[name] };
  if (remote && method === 'PATCH') return change(remote, body, fail);
  if (call === 'costs') return costs;
  if (call === 'sync') {
    const of = body.remote ? remotes.filter((one) => one.name === body.remote) : remotes;
    return work(asked, 'sync', { task: 'sync', bytes: 168_000_000, then: () => { for (const one of of) { one.safe_originals += one.waiting_originals; one.waiting_originals = 0; one.last_error = null; if (body.consent) one.held_originals = 0; } },
      report: { outcomes: of.map((one) => ({ remote: one.name, error: null, hint: null, quiet_until: null, sent_packs: 2, synced_originals: one.safe_originals + one.waiting_originals, held: null, problems: [], notices: [], traffic: { requests: 50, up_bytes: 168_000_000, down_bytes: 40_000 } })) } });
  }
  if (call === 'storage') {
    const here = world.total * 4_200_000 - freed * 4_200_000;
    const kinds = [['originals', here], ['renditions', world.total * 190_000], ['history', 31_000_000], ['catalogue', 88_000_000], ['device', 12_000_000], ['unfinished', 0], ['other', 40_000]].map(([kind, bytes]) => ({ kind, bytes, objects: 3 }));
    return { folder: '/home/me/Photos', disk_free_bytes: 212_000_000_000, disk_total_bytes: 512_000_000_000, total_bytes: kinds.reduce((sum, one) => sum + one.bytes, 0), kinds, trash: { photos: 2, bytes: 8_400_000 },
      local: { here_objects: world.total - freed, here_bytes: here, visiting_originals: 14, visiting_bytes: 58_000_000, away_originals: 120 + freed, away_bytes: (120 + freed) * 4_200_000, archived_originals: 120, thawing_originals: 1, pinned_photos: 3, pinned_albums: ['Family'], settings } };
  }
  if (call === 'storage/free/plan') {
    const many = body.items ? body.items.length : 1200;
    return { plan: `p${++plans}`, originals: many, bytes: many * 4_200_000, against: [{ remote: 'nas', originals: many, bytes: many * 4_200_000, proven_originals: body.prove ? Math.floor(many / 2) : many, oldest_proof_millis: 1795362649634, checksum_originals: 0, download_originals: body.prove ? Math.ceil(many / 2) : 0, download_bytes: body.prove ? Math.ceil(many / 2) * 4_200_000 : 0 }],
      staying: [{ reason: 'not proven to be in a remote lately', originals: 2500 }, { reason: 'small: they travel in packs', originals: 210 }, { reason: 'pinned', originals: 3 }] };
  }
  if (call === 'storage/free') {
    if (body.plan !== `p${plans}`) return fail(409, 'stale', 'that plan is too old, or was carried out', { hint: 'look again at what may go' });
    plans++;
    return work(asked, 'free', { task: 'free', steps: 8, bytes: 5_040_000_000, then: () => { freed += 1200; }, report: { freed_originals: 1200, freed_bytes: 5_040_000_000, staying: [], problems: [] } });
  }
  if (call === 'storage/settings') {
    if (body.proof_age_seconds > 30 * 86_400) return fail(409, 'refused', 'a proof may be 30 days old at most');
    return Object.assign(settings, body);
  }
  if (call === 'privacy') {
    const sort = (sort, folder, objects, bytes) => ({ sort, folder, objects, bytes, is_whole: sort !== 'history' });
    const sorts = [sort('originals', 'o', 3990, 16_532_000_000), sort('small-originals', 's', 2, 30_000_000), sort('previews', 'p', 12, 400_000_000), sort('thumbnails', 't', 2, 60_000_000), sort('history', 'log', 45, 3_400_000), sort('heads', 'head', 2, 8_496), sort('keys', 'keys', 3, 16_104), sort('cards', 'root', 1, 1_378), sort('place-id', 'remote', 1, 4_248)];
    return remotes.map(({ name, address, safe_originals }) => {
      const seen = name === 'nas' ? sorts : [];
      return { remote: name, address, objects: seen.reduce((sum, one) => sum + one.objects, 0), bytes: seen.reduce((sum, one) => sum + one.bytes, 0), leaving_objects: seen.length ? 12 : 0, leaving_bytes: seen.length ? 48_000_000 : 0, sorts: seen, devices: seen.length ? [{ device: '6wwendkqy2gk6grgbsatxoizue', own: true, segments: 40 }, { device: 'cfdzeakd25wfyzhpt22lpakjwq', own: false, segments: 5 }] : [], originals: safe_originals, also_in: seen.length ? [] : ['nas'], connected_millis: 1795362649634, synced_millis: 1795762649634 };
    });
  }
  if (call === 'settings') {
    if (body?.lock_after_seconds > 86_400) return fail(409, 'refused', 'a gallery locks itself after 1 minute at the soonest and 24 hours at the latest');
    return Object.assign(own, body);
  }
  if (call === 'thaw' && method === 'GET') return held();
  if (call === 'thaw/basket') {
    if (method === 'DELETE') basket.clear();
    for (const id of body.items ?? []) if (body.put) basket.set(id, { id, name: world.photo(Number.parseInt(id, 16)).name, bytes: 4_200_000, state: STANDS[basket.size % 4], remote: 'cloud' }); else basket.delete(id);
    return held();
  }
  if (call === 'thaw' || call === 'thaw/look') {
    const ask = call === 'thaw';
    return work(asked, 'thaw', { task: 'thaw', steps: 6, then: () => { if (ask) for (const item of basket.values()) if (item.state === 'archived') item.state = 'thawing'; },
      report: { here_originals: 0, readable_originals: held().readable, archived_originals: ask ? 0 : held().archived, thawing_originals: held().thawing + (ask ? held().archived : 0), asked_parts: ask ? held().archived : 0, thawing_bytes: 0, missing_originals: 0, unanswered_originals: 0, costs: [] } });
  }
  if (call === 'thaw/fetch') {
    const ready = [...basket.values()].filter((item) => item.state === 'cloud-only');
    return work(asked, 'thaw', { task: 'fetch', steps: 6, bytes: ready.length * 4_200_000, then: () => { for (const item of ready) basket.delete(item.id); }, report: { fetched_originals: ready.length, present_originals: 0, archived_originals: 0, failed_originals: 0, fetched_bytes: ready.length * 4_200_000 } });
  }
  return undefined;
};
