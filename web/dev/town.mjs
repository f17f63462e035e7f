// A made-up town by the sea, as a map file of vectors, to look at how a map is drawn:
//   node dev/town.mjs FILE [LATITUDE LONGITUDE]
import { writeFileSync } from 'node:fs';
import { mapFile, vectorTile } from './pmtiles.mjs';

const DEEPEST = 14;
const eastward = (lon) => lon / 360 + 0.5;
const southward = (lat) => { const sine = Math.sin((lat * Math.PI) / 180); return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI); };

/** Everything of the town, around its middle, in kilometres east and south. */
function things() {
  const found = [];
  const add = (layer, shape, parts, properties = {}, from = 0) => found.push({ layer, shape, parts, properties, from });
  const wave = (from, to, step, line) => { const part = []; for (let at = from; at <= to; at += step) part.push(...line(at)); return part; };
  const ring = (x, y, r, bumps = 0.12) => wave(0, 6.2, 0.2, (a) => [x + r * Math.cos(a) * (1 + bumps * Math.sin(a * 5)), y + r * Math.sin(a) * (1 + bumps * Math.cos(a * 3))]);
  const coast = wave(-900, 900, 0.5, (y) => [-6 + 2.5 * Math.sin(y / 7) + 0.6 * Math.sin(y * 1.7), y]);
  add('earth', 'area', [[...coast, 900, 900, 900, -900]]);
  add('landuse', 'area', [ring(6, -5, 3.5)], { kind: 'forest' });
  add('landuse', 'area', [ring(-1.2, 1.4, 0.6)], { kind: 'park' });
  add('landuse', 'area', [ring(4.5, 4, 1.2)], { kind: 'industrial' });
  add('landuse', 'area', [[...wave(-3, 3, 0.25, (y) => [-6 + 2.5 * Math.sin(y / 7) + 0.6 * Math.sin(y * 1.7), y]), -5, 3, -5, -3]], { kind: 'beach' });
  add('water', 'area', [ring(7.5, 1.5, 0.9, 0.2)], { kind: 'lake' });
  add('water', 'line', [wave(-8, 60, 0.4, (x) => [x, 0.7 * Math.sin(x / 2.3) + 0.1 * x])], { kind: 'river' });
  for (let at = -3; at <= 3.01; at += 0.3) {
    add('roads', 'line', [[at, -3, at + 0.2 * Math.sin(at * 3), 3]], { kind: Math.round(at * 10) % 9 === 0 ? 'major_road' : 'minor_road' }, 10);
    add('roads', 'line', [[-3, at, 3, at + 0.15 * Math.cos(at * 2)]], { kind: Math.round(at * 10) % 9 === 0 ? 'major_road' : 'minor_road' }, 10);
  }
  add('roads', 'line', [wave(-60, 60, 1, (y) => [4 + 1.4 * Math.sin(y / 9), y])], { kind: 'highway' }, 5);
  add('roads', 'line', [wave(-5, 60, 1, (x) => [x, -3.4 + 0.5 * Math.sin(x / 4)])], { kind: 'highway' }, 5);
  add('roads', 'line', [wave(-60, 60, 1, (y) => [1.5 + Math.cos(y / 6), y])], { kind: 'rail' }, 9);
  add('roads', 'line', [wave(0, 5.5, 0.3, (a) => [-1.2 + 0.4 * Math.cos(a), 1.4 + 0.4 * Math.sin(a)])], { kind: 'path' }, 13);
  add('roads', 'line', [[-6, 0, -40, -12]], { kind: 'ferry' }, 6);
  for (let x = -2.9; x < 2.9; x += 0.3) for (let y = -2.9; y < 2.9; y += 0.3) for (const [dx, dy] of [[0.05, 0.05], [0.15, 0.05], [0.05, 0.16]]) if (Math.hypot(x + 1.2, y - 1.4) > 0.8 && Math.abs(y - 0.7 * Math.sin(x / 2.3)) > 0.4) add('buildings', 'area', [[x + dx, y + dy, x + dx + 0.07, y + dy, x + dx + 0.07, y + dy + 0.08, x + dx, y + dy + 0.08]], { kind: 'building' }, 14);
  add('boundaries', 'line', [wave(-300, 300, 4, (y) => [40 + 8 * Math.sin(y / 30), y])], { kind: 'country' });
  add('boundaries', 'line', [wave(-6, 40, 2, (x) => [x, -22 + 2 * Math.sin(x / 5)])], { kind: 'region' }, 4);
  const place = (x, y, kind, properties) => add('places', 'point', [[x, y]], { kind, ...properties });
  place(25, 12, 'country', { name: 'Nowhereland', 'name:de': 'Nirgendsland', 'name:fr': 'Nullepart', min_zoom: 1 });
  place(15, -12, 'region', { name: 'Inner Nowhere', min_zoom: 5 });
  place(0, 0, 'locality', { name: 'Lamport', 'name:de': 'Lampenhafen', population_rank: 12, min_zoom: 4 });
  place(14, 9, 'locality', { name: 'Little Darkroom', population_rank: 7, min_zoom: 8 });
  place(12, -9, 'locality', { name: 'Fixer', population_rank: 5, min_zoom: 9 });
  place(-1.4, -1.6, 'neighbourhood', { name: 'Harbour Quarter', min_zoom: 12 });
  place(1.6, 2, 'neighbourhood', { name: 'Old Town', min_zoom: 12 });
  return found;
}

export function town(lat = 38.72, lon = -9.14) {
  const kilometre = 1 / (40_075 * Math.cos((lat * Math.PI) / 180));
  const [middleX, middleY] = [eastward(lon), southward(lat)];
  const all = things().map((thing) => ({ ...thing, parts: thing.parts.map((part) => part.map((at, n) => (n % 2 ? middleY : middleX) + at * kilometre)) }));
  const tiles = [];
  for (let z = 0; z <= DEEPEST; z++) {
    const count = 2 ** z;
    const reach = z < 12 ? 3 : 5;
    for (let y = Math.max(0, Math.floor(middleY * count) - reach); y <= Math.min(count - 1, Math.floor(middleY * count) + reach); y++) {
      for (let x = Math.max(0, Math.floor(middleX * count) - reach); x <= Math.min(count - 1, Math.floor(middleX * count) + reach); x++) {
        const layers = {};
        for (const { layer, shape, parts, properties, from } of all) {
          if (z < from) continue;
          const local = parts.map((part) => part.map((at, n) => Math.round((at * count - (n % 2 ? y : x)) * 4096)));
          const inside = local.some((part) => { const xs = part.filter((_, n) => n % 2 === 0); const ys = part.filter((_, n) => n % 2); return Math.max(...xs) >= -200 && Math.min(...xs) <= 4296 && Math.max(...ys) >= -200 && Math.min(...ys) <= 4296; });
          if (inside) (layers[layer] ??= []).push({ shape, parts: local.map((part) => part.map((at) => Math.max(-30_000, Math.min(30_000, at)))), properties });
        }
        tiles.push({ z, x, y, data: vectorTile(layers) });
      }
    }
  }
  return mapFile('vector', tiles, { attribution: '<a href="https://example.org">Made</a> &copy; nobody', bounds: [lon - 1, lat - 1, lon + 1, lat + 1] });
}

if (process.argv[1] === import.meta.filename) writeFileSync(process.argv[2], town(...process.argv.slice(3, 5).map(Number)));
