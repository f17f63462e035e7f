// Why something is as it is, in the reader's language. The server says it twice: as an English sentence, the same that
// the command line says, and as a code with what the sentence names. Other languages have a sentence of their own for
// each code (locales/reasons); where one is lacking, and in English, the server's is shown.
import { reasonFor } from './i18n.svelte';
import { within } from './shown';

export interface Why { code: string; values: Record<string, string> }

/** Something that long work met on its way. */
export interface Told { weight: 'failure' | 'notice'; reason: string; why: Why | null }

/** What was told with codes, or else the plain sentences of failures and of what is only worth knowing. */
export const tidings = (report: { told?: Told[] | undefined; problems: string[]; notices?: string[] }): Told[] => report.told ??
  [...report.problems.map((reason): Told => ({ weight: 'failure', reason, why: null })), ...(report.notices ?? []).map((reason): Told => ({ weight: 'notice', reason, why: null }))];

export const because = (why: Why | null | undefined, sentence: string): string => told(why) ?? within(sentence);

/** The sentence of the reader's language, if it has one in which nothing is missing. What it `was` is itself a word there. */
export function told(why: Why | null | undefined): string | null {
  const text = why ? reasonFor(why.code) : undefined;
  return text === undefined ? null : filled(text, why!.values, (name, value) => (name === 'was' || name === 'field' ? (reasonFor(`${name}:${value}`) ?? null) : within(value)));
}

/** `{name}` stands for a value; what is between brackets goes where a value in it is not known. */
export function filled(text: string, values: Record<string, string>, word: (name: string, value: string) => string | null = (_, value) => value): string | null {
  const fill = (piece: string): string | null => {
    let whole = true;
    const done = piece.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = Object.hasOwn(values, name) && values[name] !== '' ? word(name, values[name]!) : null;
      if (value === null) whole = false;
      return value ?? '';
    });
    return whole ? done : null;
  };
  let lacking = false;
  const done = text.split(/\[([^\]]*)\]/).map((piece, at) => {
    const text = fill(piece);
    if (text === null && at % 2 === 0) lacking = true;
    return text ?? '';
  }).join('');
  return lacking ? null : done;
}

/** All that is said of an error and what to do next: in the reader's language, or as the server says it, as sentences. What to do
 * next stands under `next:` and the code; empty where the sentence itself says it. A failure without a code of its own is said by
 * what kind it is, with the server's sentence as an aside. */
export function problemText(problem: { code?: string; message: string; hint?: string | null; why?: Why | null }): string {
  const { why, hint } = problem;
  const values = Object.values(why?.values ?? {});
  let sentence = told(why);
  if (sentence === null) {
    const kind = problem.code ? told({ code: `kind:${problem.code}`, values: { message: problem.message } }) : null;
    if (kind !== null) return kind;
    // Without a code it is not known which words are names.
    sentence = begun(within(problem.message), why ? values : null);
  }
  const next = hint ? ((why && told({ code: `next:${why.code}`, values: why.values })) ?? begun(within(hint), values)) : '';
  return next === '' ? sentence : `${/[.!?]$/.test(sentence) ? sentence : `${sentence}.`} ${next}`;
}

/** Begins a sentence as one, unless it begins with a name, a path or a command. Where the names in it are not known, it begins
 * as one only with a word that begins sentences and no names. */
const begun = (text: string, names: string[] | null): string =>
  (names === null ? BEGINNINGS.test(text) : /^[a-z]+[\s,;]/.test(text) && !/^safelight /.test(text) && !names.some((name) => name !== '' && text.startsWith(name))) ? text[0]!.toUpperCase() + text.slice(1) : text;
const BEGINNINGS = /^(the|th(ere|is|at|ese)|its?|an?|not?|no(body|thing|ne)|another|every|some(body)?|wh(at|o|ere|en)|one|only|your?|in|to|of|cannot)[\s,;]/;

/** A text that ends as a sentence does. */
export const ended = (text: string): string => (text === '' || /[.!?…]\)?$/.test(text) ? text : `${text}.`);

/** What a change left out, and why. */
export const leftOut = (answer: { told?: Told[]; notices?: string[] }): string[] =>
  answer.told?.map((one) => because(one.why, one.reason)) ?? answer.notices?.map(within) ?? [];
