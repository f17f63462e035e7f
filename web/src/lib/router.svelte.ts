// Which page is shown. Addresses are paths; the server answers all of them with the same document.

/** `none` is what stands at an address of which there is no page. */
export type Page = 'none' | 'photos' | 'albums' | 'album' | 'favourites' | 'places' | 'hidden' | 'trash' | 'import' | 'connect' | 'duplicates' | 'conflicts' | 'remotes' | 'storage' | 'thaw' | 'devices' | 'keys' | 'history' | 'privacy' | 'settings';
export interface Route { page: Page; id: string | null; q: string; view: string | null }

const PAGES: readonly string[] = ['photos', 'albums', 'favourites', 'places', 'hidden', 'trash', 'import', 'connect', 'duplicates', 'conflicts', 'remotes', 'storage', 'thaw', 'devices', 'keys', 'history', 'privacy', 'settings'];

export function parse(url: URL): Route {
  const [first = 'photos', second = null, ...more] = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
  const isPage = more.length === 0 && (second === null ? PAGES.includes(first) : first === 'album');
  return { page: isPage ? (first as Page) : 'none', id: isPage ? second : null, q: url.searchParams.get('q') ?? '', view: url.searchParams.get('view') };
}

export const route = $state<Route>(parse(new URL(location.href)));

function read(): void { Object.assign(route, parse(new URL(location.href))); }
addEventListener('popstate', read);

/** Goes to an address of ours. `replace` leaves no step to go back to. */
export function go(address: string, replace = false): void {
  if (replace) history.replaceState(history.state, '', address);
  else history.pushState({ inside: true }, '', address);
  read();
}

/** Goes back where the last step was made within the gallery, else to `address`. */
export function back(address: string): void {
  if ((history.state as { inside?: boolean } | null)?.inside) history.back();
  else go(address, true);
}

/** The address of this page with another photo open in the viewer, or none. */
export function viewing(id: string | null): string {
  const url = new URL(location.href);
  if (id === null) url.searchParams.delete('view');
  else url.searchParams.set('view', id);
  return url.pathname + url.search;
}

export const searching = (q: string): string => (q === '' ? '/' : `/?q=${encodeURIComponent(q)}`);

/** For links: follows them within the page, leaving modified clicks to the browser. */
export function link(node: HTMLAnchorElement): { destroy(): void } {
  const click = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.defaultPrevented) return;
    event.preventDefault();
    go(node.getAttribute('href')!);
  };
  node.addEventListener('click', click);
  return { destroy: () => node.removeEventListener('click', click) };
}
