/**
 * Text that somebody else wrote, made safe to print: escape sequences could move the cursor, change the title, or put links
 * under words (H92). Colours of a build log are dropped; everything else that a terminal would obey becomes visible.
 */

const COLOUR = /\u001b\[[0-9;:]*m/g;
/** Sequences that end in a string terminator, such as titles and links. */
const STRING_SEQUENCE = /\u001b[\]PX^_][^\u0007\u001b]{0,4096}(?:\u0007|\u001b\\)/g;
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** One or more lines; line feeds and tabs stay, CR LF becomes LF. */
export function inert(text: string): string {
  return text
    .replace(/\r+\n/g, '\n')
    .replace(COLOUR, '')
    .replace(STRING_SEQUENCE, '')
    .replace(CONTROL, (character) => {
      const code = character.charCodeAt(0);
      return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
    });
}

/** As {@link inert}, in one line. */
export function inertLine(text: string): string {
  return inert(text).replace(/[\n\t]+/g, ' ');
}
