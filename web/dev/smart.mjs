// Albums, smart ones among them, and recent searches. A search finds nothing when it says so, and is a mistake when it
// holds a date that is none: enough to see every state of the pages.
const albums = [
  { id: 'a1', name: 'Trips', path: 'Trips', parent: null, assets: 0, cover: null, query: null, problem: null },
  { id: 'a2', name: 'Iceland', path: 'Trips/Iceland', parent: 'a1', assets: 240, cover: '000000000007', query: null, problem: null },
  { id: 'a3', name: 'Family', path: 'Family', parent: null, assets: 1204, cover: '000000000010', query: null, problem: null },
  { id: 'a4', name: 'Best of Lisbon', path: 'Best of Lisbon', parent: null, assets: 318, cover: '000000000004', query: 'place:Lisbon rating:>=4', problem: null },
];
let recent = ['place:Lisbon rating:>=4', 'harbour', 'date:2023 type:video'];
let next = 9;

const mistake = (query) => { const at = /date:\S*-1[3-9]/.exec(query); return at ? { at: [at.index + 5, at.index + at[0].length] } : null; };
const found = (query) => (/nothing/.test(query) ? { assets: 0, cover: null } : { assets: 40 + ((query.length * 37) % 400), cover: '000000000003' });

export const smart = ({ call, method, query: parameters, body, fail, world }) => {
  if (call === 'albums' && method === 'GET') return albums;
  if (call === 'albums' && method === 'POST') {
    if (body.query !== undefined && body.query !== null && body.query.trim() === '') return fail(400, 'not-understood', 'a smart album needs a search');
    const wrong = body.query ? mistake(body.query) : null;
    if (wrong) return fail(400, 'not-understood', 'a date is a year, a month or a day', wrong);
    if (albums.some((album) => album.path === body.path)) return fail(409, 'refused', `there is an album ${body.path} already`);
    const parent = albums.find((album) => album.path === body.path.split('/').slice(0, -1).join('/'));
    const id = `b${next++}`;
    albums.push({ id, name: body.path.split('/').at(-1), path: body.path, parent: parent?.id ?? null, problem: null, query: body.query ?? null, ...(body.query ? found(body.query) : { assets: 0, cover: null }) });
    return { revision: world.revise(), id, changed: 1, unchanged: 0, notices: [], undo: 'u' };
  }
  const id = /^albums\/(\w+)$/.exec(call)?.[1];
  const album = albums.find((one) => one.id === id);
  if (album && method === 'PATCH') {
    if (body.query !== undefined) {
      const wrong = mistake(body.query);
      if (wrong) return fail(400, 'not-understood', 'a date is a year, a month or a day', wrong);
      if (album.query === null && album.assets > 0) return fail(409, 'refused', `photos lie in ${album.path}`);
      Object.assign(album, { query: body.query, ...found(body.query) });
    }
    if (body.name) Object.assign(album, { name: body.name, path: [...album.path.split('/').slice(0, -1), body.name].join('/') });
    return { revision: world.revise(), changed: 1, unchanged: 0, notices: [], undo: 'u' };
  }
  if (album && method === 'DELETE') { albums.splice(albums.indexOf(album), 1); return { revision: world.revise(), changed: 1, unchanged: 0, notices: [], undo: 'u' }; }
  if (call === 'searches') {
    if (method === 'POST' && body.q.trim() !== '') recent = [body.q.trim(), ...recent.filter((one) => one !== body.q.trim())].slice(0, 20);
    if (method === 'DELETE') { const q = parameters.get('q'); recent = q === null ? [] : recent.filter((one) => one !== q); }
    return { recent };
  }
  return undefined;
};
