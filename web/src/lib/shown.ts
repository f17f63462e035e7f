// Text that came with files or from people, as it may stand on a page. The same rule as the command line's
// (crates/cli/src/output.rs), by the same table (fixtures/shown.json): what turns the direction of text, and every control
// character, is written out instead of obeyed. What is written from right to left stands apart, so that it turns nothing around it.

const ORDERS = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;
const LEFTWARDS = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const NAMED: Record<string, string> = { '\t': '\\t', '\n': '\\n', '\r': '\\r' };

export function shown(text: string): string {
  const plain = text.replace(ORDERS, (order) => NAMED[order] ?? `\\u{${order.codePointAt(0)!.toString(16)}}`);
  return LEFTWARDS.test(plain) ? `\u2068${plain}\u2069` : plain;
}

/** The same for what stands in a sentence, which may hold what was shown already: that stays as it is. */
export const within = (text: string): string =>
  text.split(/(\u2068[^\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*\u2069)/u).map((part, at) => (at % 2 ? part : shown(part))).join('');

/** What people wrote, in one line. */
export const line = (text: string): string => shown(text.replace(/\s+/g, ' '));

/** What a photo is called: by what people wrote of it, or by its file. */
export const called = (photo: { caption: string | null; name: string }): string => (photo.caption ? line(photo.caption) : shown(photo.name));
