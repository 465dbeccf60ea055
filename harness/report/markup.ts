/** Markup that is already safe. Only `html` makes it, so whatever else is put into a template gets escaped. */
export class Markup {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

type Value = Markup | string | number | false | null | undefined | readonly Value[];

/** HTML or SVG from a template. Values are escaped, in text as in quoted attributes; arrays are joined; nothing gives nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Markup {
  let text = parts[0] ?? '';
  for (const [index, value] of values.entries()) text += render(value) + (parts[index + 1] ?? '');
  return new Markup(text);
}

/** Marks text of our own making (a style sheet, a script) as safe. Never for anything that came from a run. */
export function trusted(text: string): Markup {
  return new Markup(text);
}

function render(value: Value): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Markup) return value.toString();
  if (Array.isArray(value)) return value.map(render).join('');
  return escapeMarkup(String(value));
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/**
 * Characters that would vanish, break XML or reorder the text around them: controls other than tab and line feed,
 * bidirectional overrides and isolates, noncharacters, lone surrogates.
 */
const INVISIBLE = /[\p{Cc}\p{Cs}\u{200e}\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{fdd0}-\u{fdef}\u{fffe}\u{ffff}]/gu;

/** Text with its invisible characters spelled out, `\u{202e}`, so that a hostile name reads as what it is. */
export function visibleText(text: string): string {
  return text.replace(INVISIBLE, (character) =>
    character === '\n' || character === '\t' ? character : `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

function escapeMarkup(text: string): string {
  return visibleText(text).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
