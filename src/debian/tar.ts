/**
 * Reading tar archives: ustar, GNU (long names) and pax headers, as dpkg writes and reads them.
 *
 * Nothing is unpacked. {@link TarReader} takes bytes as they come, so that a large data.tar need not be in memory; it hands out
 * one entry per member and, on request, a member's bytes. A name that is absolute, has `..` in it or is not clean text is a
 * problem, as are bad checksums and sizes, and a member whose path leads through a link made by an earlier one (H50, H51, H53).
 *
 * @see deb(5) for the forms allowed in a .deb, tar(5), pax(1)
 */
import { problem, quote } from './problem.ts';
import {
  BLOCK,
  MAX_META,
  checksumMatches,
  cleanName,
  cleanTarget,
  isZero,
  number,
  readLong,
  readPax,
  text,
  type Extension,
  type TarProblem,
} from './tar-header.ts';

export type { TarProblem } from './tar-header.ts';

export type TarEntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'character-device' | 'block-device' | 'fifo';

export interface TarEntry {
  /** Without a leading `./` and trailing `/`; the root itself is `.`. */
  readonly name: string;
  readonly type: TarEntryType;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Names of owner and group, empty when not given. */
  readonly owner: string;
  readonly group: string;
  /** Bytes; 0 but for files. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Target of a link, as written (a symbolic link's may be absolute or hold `..`). */
  readonly target?: string;
}

export interface TarOptions {
  /** 10 M inodes are refused (H53). */
  readonly maxEntries?: number;
  /** A name may stand twice only for directories. */
  readonly unique?: boolean;
  /** Passes over global pax headers, which `git archive` writes into upstream tarballs; otherwise one is a problem. */
  readonly passGlobals?: boolean;
  /** Members whose bytes are wanted are those for which this is true; `maxContent` bounds each. */
  readonly wanted?: (entry: TarEntry) => boolean;
  readonly maxContent?: number;
  readonly onContent?: (entry: TarEntry, content: Buffer) => void;
}

const MAX_ENTRIES = 1_000_000;
const MAX_CONTENT = 8 * 1024 * 1024;

const TYPES: Readonly<Record<string, TarEntryType>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
};

/** Reads an archive that is whole in memory. */
export function readTar(bytes: Uint8Array, options: TarOptions = {}): readonly TarEntry[] | TarProblem {
  const entries: TarEntry[] = [];
  const reader = new TarReader((entry) => entries.push(entry), options);
  return reader.push(bytes) ?? reader.end() ?? entries;
}

/**
 * Reads an archive piece by piece. States: `header` (a block of 512 bytes is awaited), `body` (bytes of a member, of which `#left`
 * are to come, then padding), `done` (the end mark was seen; only zeros may follow), `broken` (a problem was returned, and is
 * returned again).
 */
export class TarReader {
  readonly #onEntry: (entry: TarEntry) => void;
  readonly #options: TarOptions;
  #state: 'header' | 'body' | 'done' = 'header';
  #broken: TarProblem | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #left = 0;
  #padding = 0;
  #collect: { chunks: Buffer[]; finish: (content: Buffer) => TarProblem | undefined } | undefined;
  #pending: Extension = {};
  #zeroBlocks = 0;
  #entries = 0;
  readonly #links = new Set<string>();
  readonly #names = new Set<string>();

  constructor(onEntry: (entry: TarEntry) => void, options: TarOptions = {}) {
    this.#onEntry = onEntry;
    this.#options = options;
  }

  /** Takes the next bytes; a problem ends the reading. */
  push(bytes: Uint8Array): TarProblem | undefined {
    if (this.#broken !== undefined) return this.#broken;
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = Buffer.alloc(0);
    for (;;) {
      if (this.#state === 'body') {
        const take = Math.min(this.#left, data.length);
        if (this.#collect !== undefined && take > 0) this.#collect.chunks.push(Buffer.from(data.subarray(0, take)));
        this.#left -= take;
        data = data.subarray(take);
        if (this.#left > 0) return undefined;
        const skip = Math.min(this.#padding, data.length);
        this.#padding -= skip;
        data = data.subarray(skip);
        if (this.#padding > 0) return undefined;
        this.#state = 'header';
        const collect = this.#collect;
        this.#collect = undefined;
        if (collect !== undefined) {
          const found = collect.finish(Buffer.concat(collect.chunks));
          if (found !== undefined) return (this.#broken = found);
        }
      }
      if (data.length < BLOCK) {
        this.#rest = Buffer.from(data);
        return undefined;
      }
      const found = this.#header(data.subarray(0, BLOCK));
      if (found !== undefined) return (this.#broken = found);
      data = data.subarray(BLOCK);
    }
  }

  /** Says that no bytes follow; an archive that is cut off is a problem. */
  end(): TarProblem | undefined {
    if (this.#broken !== undefined) return this.#broken;
    if (this.#state === 'body' || this.#rest.length > 0) return problem('tar-problem', 'the archive is cut off');
    // GNU tar warns about a lone zero block, dpkg takes it; an archive without any end mark is cut off.
    if (this.#zeroBlocks === 0) return problem('tar-problem', 'the archive has no end mark');
    if (Object.keys(this.#pending).length > 0)
      return problem('tar-problem', 'an extended header has no member behind it');
    return undefined;
  }

  #header(block: Buffer): TarProblem | undefined {
    if (isZero(block)) {
      this.#zeroBlocks++;
      this.#state = 'done';
      return undefined;
    }
    if (this.#zeroBlocks > 0) return problem('tar-problem', 'something follows the end mark');
    if (!checksumMatches(block)) return problem('tar-problem', 'the checksum of a header is wrong');
    if (++this.#entries > (this.#options.maxEntries ?? MAX_ENTRIES)) {
      return problem('tar-problem', `there are more than ${this.#options.maxEntries ?? MAX_ENTRIES} members`);
    }
    const magic = block.toString('latin1', 257, 263);
    if (magic !== 'ustar\0' && magic !== 'ustar ' && magic !== '\0\0\0\0\0\0') {
      return problem('tar-problem', 'a header is neither ustar nor GNU nor the old form');
    }
    const flag = String.fromCharCode(block[156] ?? 0);
    const size = number(block, 124, 12);
    if (size === undefined) return problem('tar-problem', 'the size of a member is malformed');
    if (flag === 'x' || flag === 'L' || flag === 'K') return this.#meta(flag, size);
    if (flag === 'g') {
      if (this.#options.passGlobals !== true) return problem('tar-problem', 'a global pax header is not allowed');
      if (size > MAX_META) return problem('tar-problem', 'an extended header is too long');
      this.#body(size, undefined);
      return undefined;
    }
    return this.#member(block, flag, magic === 'ustar\0', size);
  }

  #meta(flag: 'x' | 'L' | 'K', size: number): TarProblem | undefined {
    if (size > MAX_META) return problem('tar-problem', 'an extended header is too long');
    this.#body(size, (content) => {
      const found = flag === 'x' ? readPax(content) : readLong(flag, content);
      if ('kind' in found) return found;
      for (const key of Object.keys(found)) {
        if (key in this.#pending) return problem('tar-problem', 'two extended headers say the same for one member');
      }
      this.#pending = { ...this.#pending, ...found };
      return undefined;
    });
    return undefined;
  }

  #member(block: Buffer, flag: string, ustar: boolean, headerSize: number): TarProblem | undefined {
    const pending = this.#pending;
    this.#pending = {};
    const prefix = ustar ? text(block, 345, 155) : '';
    const short = text(block, 0, 100);
    const raw = pending.path ?? (prefix === '' ? short : `${prefix}/${short}`);
    const name = cleanName(raw);
    if (typeof name !== 'string') return name;
    // The oldest form marks a directory by nothing but the slash behind its name.
    const type = (flag === '\0' || flag === '0') && raw.endsWith('/') ? 'directory' : TYPES[flag];
    if (type === undefined)
      return problem('tar-problem', `a member has the unknown type ${quote(flag)}`, { field: name });
    const [mode, uid, gid, mtime] = [
      number(block, 100, 8),
      number(block, 108, 8),
      number(block, 116, 8),
      number(block, 136, 12),
    ];
    if (mode === undefined || uid === undefined || gid === undefined || mtime === undefined) {
      return problem('tar-problem', 'mode, owner or time of a member are malformed', { field: name });
    }
    const isLink = type === 'symlink' || type === 'hardlink';
    const target = isLink ? (pending.linkpath ?? text(block, 157, 100)) : undefined;
    if (target !== undefined) {
      const found = type === 'hardlink' ? cleanName(target) : cleanTarget(target);
      if (typeof found !== 'string') return found;
      if (type === 'hardlink' && this.#crossesLink(found)) {
        return problem('tar-problem', 'a hard link leads through the link of an earlier member', { field: name });
      }
    }
    if (this.#crossesLink(name))
      return problem('tar-problem', 'it leads through the link of an earlier member', { field: name });
    if (this.#options.unique === true && type !== 'directory') {
      if (this.#names.has(name)) return problem('tar-problem', 'a name stands twice', { field: name });
      this.#names.add(name);
    }
    if (type === 'symlink') this.#links.add(name);
    const size = type === 'file' ? (pending.size ?? headerSize) : 0;
    const entry: TarEntry = {
      name,
      type,
      mode: mode & 0o7777,
      uid,
      gid,
      owner: text(block, 265, 32),
      group: text(block, 297, 32),
      size,
      mtime,
      ...(target === undefined ? {} : { target }),
    };
    this.#onEntry(entry);
    if (type !== 'file') {
      if (headerSize !== 0 && type !== 'hardlink')
        return problem('tar-problem', 'a member that is no file has content', { field: name });
      if (type === 'hardlink' && headerSize !== 0)
        return problem('tar-problem', 'a hard link has content', { field: name });
      return undefined;
    }
    if (this.#options.wanted?.(entry) === true) {
      const max = this.#options.maxContent ?? MAX_CONTENT;
      if (size > max) return problem('tar-problem', `the member is larger than ${max} bytes`, { field: name });
      this.#body(size, (content) => {
        this.#options.onContent?.(entry, content);
        return undefined;
      });
    } else {
      this.#body(size, undefined);
    }
    return undefined;
  }

  #crossesLink(name: string): boolean {
    if (this.#links.size === 0) return false;
    for (let slash = name.indexOf('/'); slash >= 0; slash = name.indexOf('/', slash + 1)) {
      if (this.#links.has(name.slice(0, slash))) return true;
    }
    return false;
  }

  #body(size: number, finish: ((content: Buffer) => TarProblem | undefined) | undefined): void {
    this.#state = 'body';
    this.#left = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    this.#collect = finish === undefined ? undefined : { chunks: [], finish };
  }
}
