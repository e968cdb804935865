/**
 * The log of one attempt on its way to Lighthouse. What is written lies in a file first; a pump sends it on from the place that
 * Lighthouse has confirmed, so a server that is away costs neither memory nor a byte, and a piece that was sent twice changes
 * nothing. Phases are marked with their place in the log. Bytes stay as they are, escape sequences too.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { toError } from '../platform/errors.ts';

/** Where the log goes; each call may be repeated. */
export interface LogTarget {
  /** Adds bytes at an offset and tells how long the log is now, which may be more than was sent, or less: then from there. */
  append(offset: number, bytes: Buffer): Promise<number | 'full'>;
  markPhase(name: string, logStart: number): Promise<void>;
}

export interface LogStream {
  readonly size: number;
  readonly phase: string;
  /** Adds to the log. Settles when the bytes are in the file. */
  write(bytes: Buffer | string): Promise<void>;
  /** A line of the worker's own, told apart by its beginning. */
  say(line: string): Promise<void>;
  /** What follows belongs to this phase. */
  startPhase(name: string): Promise<void>;
  /** Settles when everything was confirmed. @throws what ended the pump */
  flush(): Promise<void>;
  /** Ends the pump without waiting for it, and closes the file. */
  close(): Promise<void>;
}

export interface LogStreamOptions {
  readonly file: string;
  readonly target: LogTarget;
  /** How long to gather before sending, unless there is much. */
  readonly gatherMs?: number;
}

const GATHER_MS = 300;
const PIECE_BYTES = 256 * 1024;

export async function openLogStream(options: LogStreamOptions): Promise<LogStream> {
  const handle = await open(options.file, 'w+', 0o640);
  return new FileLogStream(handle, options);
}

class FileLogStream implements LogStream {
  readonly #file: FileHandle;
  readonly #target: LogTarget;
  readonly #gatherMs: number;
  #size = 0;
  #sent = 0;
  #phase = 'starting';
  /** Marks that wait for the log before them to be confirmed, so that a reader never sees a phase without its beginning. */
  readonly #marks: { name: string; at: number }[] = [];
  #closed = false;
  #failure: Error | undefined;
  #writing: Promise<void> = Promise.resolve();
  #wake: () => void = () => undefined;
  readonly #flushers: { resolve: () => void; reject: (error: Error) => void; at: number }[] = [];
  readonly #pump: Promise<void>;

  constructor(file: FileHandle, options: LogStreamOptions) {
    this.#file = file;
    this.#target = options.target;
    this.#gatherMs = options.gatherMs ?? GATHER_MS;
    this.#pump = this.#run();
  }

  get size(): number {
    return this.#size;
  }

  get phase(): string {
    return this.#phase;
  }

  async write(bytes: Buffer | string): Promise<void> {
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes;
    if (data.length === 0) return;
    const writing = this.#writing.then(async () => {
      await this.#file.write(data, 0, data.length, this.#size);
      this.#size += data.length;
    });
    // The next one waits for this one also when it failed.
    this.#writing = writing.catch(() => undefined);
    await writing;
    this.#wake();
  }

  async say(line: string): Promise<void> {
    await this.write(`landfall: ${line.replace(/[\r\n]+/g, ' ')}\n`);
  }

  async startPhase(name: string): Promise<void> {
    await this.#writing;
    this.#phase = name;
    this.#marks.push({ name, at: this.#size });
    this.#wake();
  }

  async flush(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#confirmed(this.#size)) return;
    await new Promise<void>((resolve, reject) => {
      this.#flushers.push({ resolve, reject, at: this.#size });
      this.#wake();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await this.#writing;
    await this.#pump;
    await this.#file.close();
  }

  #confirmed(at: number): boolean {
    return this.#sent >= at && !this.#marks.some((mark) => mark.at <= at);
  }

  async #run(): Promise<void> {
    try {
      while (!this.#closed) {
        await this.#sendPiece();
        await this.#sendMarks();
        this.#settle();
        if (this.#sent < this.#size && this.#size - this.#sent >= PIECE_BYTES) continue;
        await this.#rest();
      }
    } catch (error) {
      this.#failure = toError(error);
    }
    const failure = this.#failure ?? new Error('the log was closed');
    for (const waiting of this.#flushers.splice(0)) waiting.reject(failure);
  }

  async #sendPiece(): Promise<void> {
    const length = Math.min(PIECE_BYTES, this.#size - this.#sent);
    if (length <= 0) return;
    const piece = Buffer.alloc(length);
    const { bytesRead } = await this.#file.read(piece, 0, length, this.#sent);
    const size = await this.#target.append(this.#sent, piece.subarray(0, bytesRead));
    if (size === this.#sent && bytesRead > 0) throw new Error('the log does not grow');
    // A full log is not asked again: what more there is stays here.
    this.#sent = size === 'full' ? Number.POSITIVE_INFINITY : Math.min(size, this.#size);
  }

  async #sendMarks(): Promise<void> {
    for (;;) {
      const mark = this.#marks[0];
      if (mark === undefined || mark.at > this.#sent) return;
      await this.#target.markPhase(mark.name, mark.at);
      this.#marks.shift();
    }
  }

  #settle(): void {
    for (const waiting of this.#flushers.splice(0)) {
      if (this.#confirmed(waiting.at)) waiting.resolve();
      else this.#flushers.push(waiting);
    }
  }

  /** Until there is something to send and a little was gathered, or somebody waits for the end. */
  async #rest(): Promise<void> {
    const urgent = (): boolean => this.#flushers.length > 0 || this.#closed;
    if (this.#sent >= this.#size && this.#marks.length === 0 && !urgent()) await this.#woken(undefined);
    if (!urgent()) await this.#woken(this.#gatherMs);
  }

  async #woken(milliseconds: number | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const done = (): void => {
        if (milliseconds !== undefined && this.#flushers.length === 0 && !this.#closed) return;
        clearTimeout(timer);
        resolve();
      };
      this.#wake = done;
      if (milliseconds !== undefined) timer = setTimeout(resolve, milliseconds);
    });
  }
}
