/**
 * `source.matches-tag`: the .dsc assembled again from the frozen commit has the same bytes as the delivered one, so that no
 * worker can put another source under a maintainer's name (H64). The .dsc names every file by its hash, so to compare its
 * text is to compare them all.
 */
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ensureDirectory, withTemporaryDirectory } from '../../platform/files.ts';
import {
  assembleSource,
  dpkgSourceVersion,
  findAcceptedTag,
  origsOf,
  unpackFrozenInput,
  type AcceptedTag,
  type AssembledSource,
} from '../../sources/index.ts';
import type { Upload } from '../upload.ts';
import { failed, LOOK_AT_WORKER, passed, RELEASE_ANEW, type CheckResult } from './checklist.ts';
import type { TagDecision } from './decision.ts';
import type { CheckDeps } from './deps.ts';
import type { ReadDsc } from './source.ts';

/** As long as a kernel may take. */
const DEADLINE_MS = 30 * 60_000;

export async function matchesTag(
  deps: CheckDeps,
  upload: Upload & TagDecision & ReadDsc,
): Promise<CheckResult<object>> {
  if (upload.origin !== 'tag') {
    return { kind: 'not-applicable', adds: {}, detail: `it came by ${upload.origin}, not by a tag` };
  }
  const tag = await findAcceptedTag(deps.db, upload.submissionId);
  const { signed } = upload;
  if (tag === undefined || signed === undefined)
    return failed('The tag of this release was not accepted.', RELEASE_ANEW);
  await ensureDirectory(deps.paths.temporary, 0o700);
  return await withTemporaryDirectory((folder) => compare(deps, upload, tag, signed, folder), {
    prefix: 'matches-tag-',
    parent: deps.paths.temporary,
  });
}

async function compare(
  deps: CheckDeps,
  upload: Upload & ReadDsc,
  tag: AcceptedTag,
  signed: NonNullable<TagDecision['signed']>,
  folder: string,
): Promise<CheckResult<object>> {
  const shallow = [tag.commitId, tag.upstreamCommitId, tag.pristineTarCommitId].filter(
    (commit) => commit !== undefined,
  );
  const gitDir = await unpackFrozenInput(await deps.blobs.open(tag.frozen.sha256), join(folder, 'frozen.git'), {
    objectFormat: tag.frozen.objectFormat,
    shallow,
    maxBytes: tag.frozen.size,
  });
  const origs: { name: string; path: string }[] = [];
  for (const orig of await origsOf(deps.db, upload.submissionId)) {
    const path = join(folder, orig.name);
    await pipeline(await deps.blobs.open(orig.sha256), createWriteStream(path));
    origs.push({ name: orig.name, path });
  }
  const assembled = await assembleSource({
    gitDir,
    commitId: tag.commitId,
    source: upload.source,
    version: upload.version,
    quilt: tag.quilt,
    origs,
    tag: { objectId: tag.tagObjectId, fingerprint: signed.fingerprint, tagger: signed.tagger },
    folder: join(folder, 'source'),
    deadlineMs: DEADLINE_MS,
  });
  if (assembled.kind === 'failed') {
    return failed(`The tagged commit gives no source package: ${assembled.reason}.`, assembled.remedy);
  }
  const expected = await readFile(join(folder, 'source', assembled.dsc));
  if (sameText(expected, upload.dscText)) return passed({}, `commit ${tag.commitId}`);
  const said = `${upload.dscName} is not what commit ${tag.commitId} gives`;
  const file = otherFile(upload, assembled);
  if (file !== undefined) return failed(`${said}: ${file}.`, LOOK_AT_WORKER);
  // The recipe irons out what the releases of dpkg spell differently; a release newer than all that it knows may bring more.
  const version = await dpkgSourceVersion({ folder });
  return failed(
    `${said}: ${otherField(expected, upload.dscText)}. Here it was made with dpkg-source ${version}; the log of the job says with which one there.`,
    `if the two versions of dpkg-source differ, bring the worker ${upload.build.worker} and the server to one release of Debian; if not, ${LOOK_AT_WORKER}`,
  );
}

/** Blanks at the end of a line, and how the last line ends, are not covered by a clear-signed signature. */
function sameText(a: Buffer, b: Buffer): boolean {
  const plain = (bytes: Buffer): string =>
    bytes
      .toString('utf8')
      .replace(/[ \t\r]+$/gm, '')
      .trimEnd();
  return plain(a) === plain(b);
}

function otherFile(upload: Upload & ReadDsc, assembled: AssembledSource): string | undefined {
  const files = new Map(upload.dsc.files.map((file) => [file.name, file.sha256]));
  for (const file of assembled.files) {
    if (file.name === assembled.dsc) continue;
    const delivered = files.get(file.name);
    if (delivered === undefined) return `it does not name ${file.name}`;
    if (delivered !== file.sha256) return `it names another ${file.name}`;
  }
  return undefined;
}

/** The first line in which they differ, with both. */
function otherField(expected: Buffer, delivered: Buffer): string {
  const [wanted, found] = [expected, delivered].map((bytes) => bytes.toString('utf8').trimEnd().split('\n'));
  const at = wanted?.findIndex((line, index) => line.trimEnd() !== found?.[index]?.trimEnd()) ?? -1;
  const line = (lines: readonly string[] | undefined): string =>
    JSON.stringify((lines?.[at] ?? 'nothing').trim().slice(0, 300));
  return at === -1 ? 'it has more lines' : `it says ${line(found)}, and the commit gives ${line(wanted)}`;
}
