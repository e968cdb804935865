/** Columns that line up, and text broken at words. Widths count characters, as a terminal shows plain text. */

export interface Cell {
  readonly text: string;
  /** The text with its colours; default: the text. */
  readonly painted?: string;
}

/** Rows of cells, two spaces between columns, nothing behind the last word of a line. */
export function table(rows: readonly (readonly (Cell | string)[])[], indent = ''): string {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'string' ? { text: cell } : cell)));
  const columns = Math.max(0, ...cells.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    // What ends a line makes no column wider.
    Math.max(0, ...cells.map((row) => (column < row.length - 1 ? widthOf(row[column]?.text ?? '') : 0))),
  );
  return cells
    .map((row) => {
      const line = row
        .map((cell, column) => {
          const shown = cell.painted ?? cell.text;
          const last = column === row.length - 1;
          return last ? shown : shown + ' '.repeat((widths[column] ?? 0) - widthOf(cell.text));
        })
        .join('  ');
      return `${indent}${line}`.trimEnd();
    })
    .map((line) => `${line}\n`)
    .join('');
}

/** Breaks `text` at spaces so that no line is wider than `width`; 0 leaves it whole. */
export function wrap(text: string, width: number): readonly string[] {
  if (width <= 0 || widthOf(text) <= width) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/ +/)) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}

export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/\p{M}/u.test(character)) continue;
    width += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/.test(
      character,
    )
      ? 2
      : 1;
  }
  return width;
}
