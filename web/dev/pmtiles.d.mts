export interface MadeTile { z: number; x: number; y: number; data: Buffer }
export interface MadeFeature { shape: 'point' | 'line' | 'area'; parts: number[][]; properties?: Record<string, string | number | boolean> }
export function mapFile(kind: 'vector' | 'raster', tiles: MadeTile[], more?: { attribution?: string | null; bounds?: number[]; metadata?: object }): Buffer;
export function vectorTile(layers: Record<string, MadeFeature[]>): Buffer;
export function plainPicture(side: number, colour: number[]): Buffer;
export function everywhere<T>(deepest: number, make: (z: number, x: number, y: number) => T): { z: number; x: number; y: number; data: T }[];
