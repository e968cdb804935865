import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exec } from '../platform/exec.ts';
import { looksLikeSshKeys, parseSshKey, parseSshKeys } from './ssh-keys.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lf-ssh-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** A public key by the real program, and what the program says of it. */
async function generate(name: string, ...options: string[]): Promise<{ line: string; fingerprint: string }> {
  const path = join(folder, name);
  await exec(['ssh-keygen', '-q', '-N', '', '-C', 'alice at home', '-f', path, ...options], {
    doing: 'make an SSH key',
    deadlineMs: 60_000,
  });
  const { stdout } = await exec(['ssh-keygen', '-l', '-f', `${path}.pub`], { deadlineMs: 10_000 });
  const fingerprint = stdout.toString('utf8').split(' ')[1] ?? '';
  return { line: await readFile(`${path}.pub`, 'utf8'), fingerprint };
}

describe('a public key of OpenSSH', () => {
  test.each([
    ['ed25519', ['-t', 'ed25519']],
    ['ecdsa-256', ['-t', 'ecdsa', '-b', '256']],
    ['ecdsa-521', ['-t', 'ecdsa', '-b', '521']],
    ['rsa-3072', ['-t', 'rsa', '-b', '3072']],
  ])('of kind %s has the fingerprint that ssh-keygen prints', async (name, options) => {
    const key = await generate(name, ...options);
    const parsed = parseSshKey(key.line);
    expect(parsed).toMatchObject({ kind: 'ssh-key', fingerprint: key.fingerprint, comment: 'alice at home' });
    expect(parsed.kind === 'ssh-key' && key.line.startsWith(parsed.line)).toBe(true);
    expect(looksLikeSshKeys(`# of alice\n${key.line}`)).toBe(true);
  });

  test('that is too weak is refused by name', async () => {
    const weak = await generate('rsa-1024', '-t', 'rsa', '-b', '1024');
    expect(parseSshKey(weak.line)).toEqual({
      kind: 'invalid-ssh-key',
      reason: 'an RSA key of 1024 bits is too weak; 2048 are needed',
    });
    expect(parseSshKey('ssh-dss AAAA')).toMatchObject({ reason: 'keys of type ssh-dss are too weak' });
  });

  test('that is cut off, padded, of another type inside, or not alone on its line is refused', async () => {
    const { line } = await generate('cut', '-t', 'ed25519');
    const [type = '', base64 = ''] = line.split(' ');
    const blob = Buffer.from(base64, 'base64');
    for (const wrong of [
      `${type} ${blob.subarray(0, -1).toString('base64')}`,
      `${type} ${Buffer.concat([blob, Buffer.alloc(4)]).toString('base64')}`,
      `${type} ${base64}!`,
      `ecdsa-sha2-nistp256 ${base64}`,
      `command="true" ${line}`,
      `${type}-cert-v01@openssh.com ${base64}`,
      type,
      '',
    ]) {
      expect(parseSshKey(wrong).kind).toBe('invalid-ssh-key');
    }
  });

  test('stands in a file with comments and empty lines; a wrong line is named', async () => {
    const { line } = await generate('file', '-t', 'ed25519');
    expect(parseSshKeys(`# one\n\n${line}\n${line}`)).toHaveLength(2);
    const wrong = parseSshKeys(`${line}nonsense\n`);
    expect('kind' in wrong && wrong.reason).toMatch(/^line 2: /);
    expect(parseSshKeys('# none\n')).toMatchObject({ kind: 'invalid-ssh-key' });
  });

  test('is never anything else, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), fc.base64String(), (text, base64) => {
        for (const line of [text, `ssh-ed25519 ${base64}`, `ssh-rsa ${base64} ${text}`]) {
          const parsed = parseSshKey(line);
          if (parsed.kind === 'ssh-key') expect(parsed.line).toMatch(/^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$/);
        }
      }),
    );
  });
});
