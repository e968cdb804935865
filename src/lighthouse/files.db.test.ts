import { createHash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { addJob, addWorker, mustClaim, type JoinedWorker, type Running } from '../../test/scenarios/lighthouse.ts';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { createMemoryBlobStore } from '../platform/blobs.ts';
import { withTransaction } from '../platform/database.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { collectParts } from './files.ts';
import { deliver, putFile, type AnnouncedFile, type PutFileDeps } from './index.ts';

let database: TestDatabase;
let folder: TemporaryDirectory;
let deps: PutFileDeps;
let worker: JoinedWorker;
let running: Running;

beforeEach(async () => {
  database = await createTestDatabase();
  folder = await makeTemporaryDirectory('lf-files-');
  deps = { db: database.db, blobs: createMemoryBlobStore(), partsFolder: join(folder.path, 'parts') };
  worker = await addWorker(database.db, 'w1');
  await addJob(database.db, { limits: { outputBytes: 1_000 } });
  running = await mustClaim(database.db, worker);
});
afterEach(async () => {
  await database.drop();
  await folder.remove();
});

const announce = (name: string, text: string): AnnouncedFile => ({
  name,
  sha256: createHash('sha256').update(text).digest('hex'),
  size: Buffer.byteLength(text),
});
const put = async (file: AnnouncedFile, text: string | Readable) =>
  await putFile(
    deps,
    worker,
    running.attemptId,
    running.token,
    file,
    typeof text === 'string' ? Readable.from([Buffer.from(text)]) : text,
  );
const rows = async () =>
  await database.db.selectFrom('attempt_files').select(['name', 'size']).orderBy('name').execute();

test('a file is stored before it is named, and the same again is fine', async () => {
  const file = announce('hello.deb', 'content');
  expect(await put(file, 'content')).toEqual({ kind: 'stored', received: 7 });
  expect(await put(file, 'content')).toEqual({ kind: 'stored', received: 7 });
  expect((await deps.blobs.read(file.sha256)).toString()).toBe('content');
  expect(await rows()).toEqual([{ name: 'hello.deb', size: 7 }]);
  expect(await readdir(deps.partsFolder)).toEqual([]);
});

test('a hash alone brings nothing: also bytes that the store has must be sent', async () => {
  const file = announce('hello.deb', 'content');
  await deps.blobs.put(Buffer.from('content'));
  expect(await put(file, Readable.from([]))).toEqual({ kind: 'incomplete', received: 0 });
  expect(await rows()).toEqual([]);
});

test('H27 an upload that broke off goes on where it stopped', async () => {
  const file = announce('hello.deb', 'content');
  expect(await put(file, 'con')).toEqual({ kind: 'incomplete', received: 3 });
  expect(await put({ ...file, offset: 5 }, 'nt')).toEqual({ kind: 'incomplete', received: 3 });
  expect(await rows()).toEqual([]);
  expect(await put({ ...file, offset: 3 }, 'tent')).toEqual({ kind: 'stored', received: 7 });
  expect((await deps.blobs.read(file.sha256)).toString()).toBe('content');
});

test('files that are begun one after another and never finished leave one part, of the last', async () => {
  const first = announce('a.deb', 'content a');
  expect(await put(first, 'con')).toEqual({ kind: 'incomplete', received: 3 });
  const second = announce('b.deb', 'content b');
  expect(await put(second, 'con')).toEqual({ kind: 'incomplete', received: 3 });
  expect(await readdir(deps.partsFolder)).toEqual([`${running.attemptId}-${second.sha256}`]);
  expect(await put({ ...second, offset: 3 }, 'tent b')).toMatchObject({ kind: 'stored' });
  expect(await put({ ...first, offset: 3 }, 'tent a')).toEqual({ kind: 'incomplete', received: 0 });
  expect(await put(first, 'content a')).toMatchObject({ kind: 'stored' });
});

test('H3 H27 a connection that dies keeps what came, and shows nothing', async () => {
  const file = announce('hello.deb', 'content');
  const dying = new Readable({ read: () => undefined });
  dying.push(Buffer.from('cont'));
  setImmediate(() => dying.destroy(new Error('socket hang up')));
  expect(await put(file, dying)).toMatchObject({ kind: 'incomplete' });
  expect(await rows()).toEqual([]);
});

test('H35 H36 other bytes or another size than announced are refused, and the next try begins anew', async () => {
  const file = announce('hello.deb', 'content');
  expect(await put(file, 'CONTENT')).toMatchObject({ kind: 'refused', status: 409, code: 'file.mismatch' });
  expect(await put(file, 'content and more')).toMatchObject({ code: 'file.mismatch' });
  expect(await put(file, 'content')).toEqual({ kind: 'stored', received: 7 });
});

test('H37 the same name with other bytes is refused', async () => {
  await put(announce('hello.deb', 'content'), 'content');
  expect(await put(announce('hello.deb', 'other'), 'other')).toMatchObject({ code: 'file.differs' });
});

test('H44 names with folders, control characters, or too many of them are refused', async () => {
  for (const name of ['../x.changes', '.hidden', 'a/b', 'a\0b', '', 'x'.repeat(300), 'a\nb']) {
    expect([name, await put(announce(name, 'x'), 'x')]).toMatchObject([
      name,
      { kind: 'refused', code: 'file.bad-name' },
    ]);
  }
});

test('more bytes than the job may deliver are refused before they are read', async () => {
  const big = 'x'.repeat(900);
  await put(announce('a', big), big);
  expect(await put(announce('b', 'y'.repeat(101)), 'y'.repeat(101))).toMatchObject({ code: 'file.too-large' });
});

test('H24 H33 nothing is added after the delivery, nor by another worker', async () => {
  const other = await addWorker(database.db, 'w2');
  const file = announce('hello.deb', 'content');
  expect(await putFile(deps, other, running.attemptId, running.token, file, Readable.from(['content']))).toMatchObject({
    status: 403,
  });
  await withTransaction(database.db, (trx) => deliver(trx, worker, running.attemptId, running.token));
  expect(await put(file, 'content')).toMatchObject({ kind: 'refused', status: 410 });
});

test('parts of attempts that are over are collected; others, and other files, stay', async () => {
  await put(announce('hello.deb', 'content'), 'con');
  await mkdir(deps.partsFolder, { recursive: true });
  await writeFile(join(deps.partsFolder, 'README'), '');
  await writeFile(join(deps.partsFolder, `999999-${'a'.repeat(64)}`), '');
  expect(await collectParts(database.db, deps.partsFolder)).toBe(1);
  await withTransaction(database.db, (trx) => deliver(trx, worker, running.attemptId, running.token));
  expect(await collectParts(database.db, deps.partsFolder)).toBe(1);
  expect(await readdir(deps.partsFolder)).toEqual(['README']);
});
