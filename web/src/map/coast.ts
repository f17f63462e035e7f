// The coastlines and borders of Natural Earth, which come with the program. Only the countries that are in sight are
// drawn, and the same view is drawn once.
import { geoGraticule10, geoMercator, geoPath } from 'd3-geo';
import { feature } from 'topojson-client';
import type { Feature, Position } from 'geojson';
import type { GeometryCollection, Topology } from 'topojson-specification';
import coarseFile from 'world-atlas/countries-110m.json?url';
import fineFile from 'world-atlas/countries-50m.json?url';
import { latitude, longitude, under, type View } from './mercator';

interface Country { shape: Feature; west: number; south: number; east: number; north: number }
export type Coast = Country[];

const files: Record<string, Promise<Coast>> = {};
/** The coastlines, as fine as they need to be. */
export function coastFor(fine: boolean): Promise<Coast> {
  const file = fine ? fineFile : coarseFile;
  return (files[file] ??= fetch(file).then((answer) => answer.json())
    .then((world: Topology<{ countries: GeometryCollection }>) => feature(world, world.objects.countries).features.map(bounded))
    .catch((cause: unknown) => { delete files[file]; throw cause; }));
}

function bounded(shape: Feature): Country {
  const country: Country = { shape, west: 180, south: 90, east: -180, north: -90 };
  const look = (positions: Position | Position[] | Position[][] | Position[][][]): void => {
    if (typeof positions[0] !== 'number') { for (const one of positions as Position[][][]) look(one); return; }
    const [lon, lat] = positions as [number, number];
    country.west = Math.min(country.west, lon); country.east = Math.max(country.east, lon);
    country.south = Math.min(country.south, lat); country.north = Math.max(country.north, lat);
  };
  if ('coordinates' in shape.geometry) look(shape.geometry.coordinates);
  return country;
}

export interface Ink { sea: string; grid: string; land: string; border: string }
let kept: { of: string; coast: Coast | null; picture: HTMLCanvasElement } | null = null;

/** Draws a view; without coastlines, while they are on their way, only the sea. */
export function drawCoast(context: CanvasRenderingContext2D, coast: Coast | null, view: View, ratio: number, ink: Ink): void {
  const of = `${view.x} ${view.y} ${view.world} ${view.width} ${view.height} ${ratio} ${Object.values(ink).join()}`;
  if (kept?.of !== of || kept.coast !== coast) {
    const picture = kept?.picture ?? document.createElement('canvas');
    [picture.width, picture.height] = [context.canvas.width, context.canvas.height];
    const own = picture.getContext('2d')!;
    own.scale(ratio, ratio);
    paint(own, coast ?? [], view, ink);
    kept = { of, coast, picture };
  }
  context.drawImage(kept.picture, 0, 0);
}

function paint(context: CanvasRenderingContext2D, coast: Coast, view: View, ink: Ink): void {
  const { width, height } = view;
  context.fillStyle = ink.sea;
  context.fillRect(0, 0, width, height);
  const from = under(view, [0, 0]);
  const to = under(view, [width, height]);
  const [west, east, north, south] = [longitude(from.x), longitude(to.x), latitude(from.y), latitude(to.y)];
  const projection = geoMercator().scale(view.world / (2 * Math.PI)).center([longitude(view.x), latitude(view.y)]).translate([width / 2, height / 2]).precision(0.3).clipExtent([[-4, -4], [width + 4, height + 4]]);
  const path = geoPath(projection, context);
  context.beginPath(); path(geoGraticule10()); context.strokeStyle = ink.grid; context.lineWidth = 0.5; context.stroke();
  context.beginPath();
  for (const country of coast) if (country.west <= east && country.east >= west && country.south <= north && country.north >= south) path(country.shape);
  context.fillStyle = ink.land; context.fill();
  context.strokeStyle = ink.border; context.lineWidth = 0.7; context.stroke();
}
