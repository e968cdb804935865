/**
 * Objects by name, which never change, and pointers to groups of them, which do: what is published for readers lies in such a
 * store. Three kinds of things, and nothing else, so that a folder, an object store that speaks S3 and memory can each be one:
 *
 * - An **object** is bytes under a name (`pool/main/h/hello/hello_2.10-3.dsc`). It is written once. The same bytes again are
 *   fine, other bytes under its name are a fault; it can be deleted.
 * - A **pointer** is a name (`dists/landing`) that stands for a prefix (`.publications/landing/12`): to open
 *   `dists/landing/InRelease` is to open `.publications/landing/12/InRelease`. {@link ObjectStore.point} replaces it in one step:
 *   a reader gets everything from before, or everything from after. A pointer may lead to a pointer.
 * - A **batch** is the way to write objects. What was put by it is durable when its `settle` has returned, and not before.
 *
 * To publish is therefore: put objects by a batch, settle, point. A writer that is stopped anywhere before `point` leaves objects
 * that nothing leads to; it deletes them below their prefix and begins again.
 *
 * A folder makes objects files, copies hard links, and pointers symbolic links, so that any web server can serve it
 * (object-folder.ts). An object store keeps a pointer as a small object that holds the prefix, which the server follows; a copy is
 * its own CopyObject, and `settle` has nothing to do. Where readers come to the object store itself, without a server of ours, the
 * objects of a publication are copied to the pointer's name, InRelease last: by-hash names make that safe.
 */
import type { BlobStore } from './blobs.ts';
import { LandfallError } from './errors.ts';
import type { Digest } from './files.ts';

export interface PutOptions {
  /** Told to readers as Last-Modified, in whole seconds; default: now. */
  readonly modifiedAt?: Date;
}

/** An object that is being written. It has its name when `finish` has returned, or never. */
export interface ObjectWriter {
  write(bytes: Uint8Array): Promise<void>;
  finish(): Promise<Digest>;
  /** Leaves nothing behind; never throws. */
  discard(): Promise<void>;
}

/** Writes objects. Faults are `storage.*` (the disk) and those that a method names. */
export interface ObjectBatch {
  /** @throws LandfallError `object.other-bytes` when the name stands for others */
  put(name: string, bytes: Uint8Array | string, options?: PutOptions): Promise<Digest>;
  /** For what is too large for memory. The name must be free when it is finished. @throws LandfallError `object.other-bytes` */
  create(name: string): Promise<ObjectWriter>;
  /**
   * Puts a blob under a name, without copying its bytes where the store can; true when it was not there yet.
   * @throws LandfallError `blob.missing`, `object.other-bytes`
   */
  putBlob(name: string, blobs: BlobStore, blob: Digest): Promise<boolean>;
  /**
   * Gives an object a second name, without copying its bytes where the store can; false when there is no such object. A name that
   * is taken stays as it is: who copies by content (by-hash) knows that it is the same.
   */
  copy(from: string, to: string): Promise<boolean>;
  /** Returns when all that was put by this batch is durable. After a fault nothing that it put may be relied upon. */
  settle(): Promise<void>;
}

export interface ObjectFacts {
  /** Behind all pointers. */
  readonly name: string;
  readonly size: number;
  readonly modifiedAt: Date;
}

export interface OpenObject extends ObjectFacts {
  /** `length` bytes from `start`. The stream ends the use of the object, however it ends; it is asked for once. */
  read(start: number, length: number): ReadableStream<Uint8Array>;
  /** For who does not read. */
  close(): Promise<void>;
}

export interface Pointer {
  readonly name: string;
  /** As it was pointed: another pointer, or a prefix. */
  readonly target: string;
}

export interface ObjectStore {
  /** Begins to write. Any number of batches may be written side by side. */
  batch(): ObjectBatch;

  /** Makes `name` stand for the prefix, by one durable step. @throws LandfallError `object.not-a-pointer` */
  point(name: string, target: string): Promise<void>;
  /** What a pointer stands for; undefined when there is none of that name. */
  pointer(name: string): Promise<string | undefined>;
  /** Pointers directly below a prefix, by name. */
  pointers(prefix: string): Promise<Pointer[]>;
  /** Removes a pointer, not what it stands for; true when there was one. */
  unpoint(name: string): Promise<boolean>;

  /** The object behind a name, pointers followed; undefined when there is none, and for whatever is no object. */
  open(name: string): Promise<OpenObject | undefined>;
  /** As {@link open}, without reading. */
  stat(name: string): Promise<ObjectFacts | undefined>;
  /** A small object whole; undefined when there is none. */
  read(name: string): Promise<Buffer | undefined>;

  /** Every object below a prefix by its own name: pointers are not followed, and not listed. Order is the store's. */
  list(prefix: string): AsyncIterable<ObjectFacts>;
  /** First parts of the names below a prefix: `children('.publications/landing')` gives `1`, `2`, … */
  children(prefix: string): Promise<string[]>;
  /** Removes one object; true when it was there. Durable after return. */
  delete(name: string): Promise<boolean>;
  /** Removes everything below a prefix; durable after return. Pointers that stand for it lead nowhere then. */
  deleteBelow(prefix: string): Promise<void>;
}

/** The parts of a name. @throws LandfallError `object.invalid-name` for what cannot be one in every store (H95) */
export function partsOf(name: string): string[] {
  const parts = name.split('/');
  const valid =
    name.length <= 900 &&
    parts.every((part) => part !== '' && part !== '.' && part !== '..' && part.length <= 255) &&
    !/[\p{Cc}\\]/u.test(name);
  if (valid) return parts;
  throw new LandfallError({
    code: 'object.invalid-name',
    doing: 'find a published file',
    reason: `${JSON.stringify(name.slice(0, 100))} cannot be the name of one`,
    remedy: 'this is a fault of the program: report it',
  });
}

/** A name that stands for other bytes than are put under it. */
export function otherBytes(name: string, there: string, put: string): LandfallError {
  return new LandfallError({
    code: 'object.other-bytes',
    doing: `put ${name}`,
    reason: `a file of that name is there with the sha256 ${there} in place of ${put}`,
    remedy: '`landfall archive check` lists such files; the stored blob is the right one',
  });
}

/** A pointer is asked to take the place of something that is none. */
export function notAPointer(name: string, target: string): LandfallError {
  return new LandfallError({
    code: 'object.not-a-pointer',
    doing: `point ${name} at ${target}`,
    reason: 'something that is no pointer has that name',
    remedy: 'move it away; nothing of Landfall made it',
  });
}

/** How many pointers may lead to one another. */
export const MAX_POINTERS = 8;
