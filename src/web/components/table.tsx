/**
 * Tables: rows of cells under their titles, or a sentence when there is nothing. Wide ones scroll by themselves; on a phone
 * each row stands by itself, every cell behind its title.
 */
import type { Child } from 'hono/jsx';

export interface TableProps {
  /** Titles; those that begin with `#` stand over numbers. Without titles the rows speak for themselves. */
  readonly head?: readonly string[];
  readonly rows: readonly (readonly Child[])[];
  /** Said in place of a table without rows. */
  readonly empty?: string;
}

export function Table({ head, rows, empty }: TableProps) {
  if (rows.length === 0 && empty !== undefined) return <p class="soft">{empty}</p>;
  const classOf = (index: number): string | undefined =>
    head?.[index]?.startsWith('#') === true ? 'number' : undefined;
  return (
    <div class="wide">
      <table class={head === undefined ? undefined : 'titled'}>
        {head === undefined ? null : (
          <thead>
            <tr>
              {head.map((title, index) => (
                <th class={classOf(index)}>{title.replace(/^#/, '')}</th>
              ))}
            </tr>
          </thead>
        )}
        <tbody>
          {rows.map((cells) => (
            <tr>
              {cells.map((cell, index) => (
                <td class={classOf(index)} data-title={head?.[index]?.replace(/^#/, '')}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
