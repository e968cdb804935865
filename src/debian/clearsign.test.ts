import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { looksClearsigned, parseClearsigned } from './clearsign.ts';

const BEGIN = '-----BEGIN PGP SIGNED MESSAGE-----';
const SIGNATURE = '-----BEGIN PGP SIGNATURE-----\n\niHUEARYKAB0WIQ=\n=abcd\n-----END PGP SIGNATURE-----\n';
const document = (text: string, head = 'Hash: SHA256\n'): string => `${BEGIN}\n${head}\n${text}\n${SIGNATURE}`;

function reasonOf(text: string | Uint8Array): string {
  const result = parseClearsigned(text);
  return 'kind' in result ? result.reason : 'accepted';
}

describe('parseClearsigned', () => {
  it('gives the signed text with dash-escaping undone, and the signature', () => {
    const result = parseClearsigned(document('Source: x\n- -----not armor\n- \nDescription: y  \t\n more'));
    expect(result).toEqual({
      text: 'Source: x\n-----not armor\n\nDescription: y\n more\n',
      signature: SIGNATURE,
      hashes: ['SHA256'],
    });
  });

  it('accepts several Hash headers, none, and empty lines around', () => {
    expect(parseClearsigned(document('x', 'Hash: SHA512, SHA256\nHash: SHA384\n'))).toMatchObject({
      hashes: ['SHA512', 'SHA256', 'SHA384'],
    });
    expect(parseClearsigned(`\n\n${document('x', '')}\n\n`)).toMatchObject({ text: 'x\n' });
    expect(reasonOf(document('x').replace('\n\niHUE', '\nVersion: GnuPG v2\nComment: none\n\niHUE'))).toBe('accepted');
  });

  it.each([
    ['text before', `Source: evil\n\n${document('x')}`, 'does not begin'],
    ['text after', `${document('x')}Source: evil\n`, 'follows'],
    ['two documents', document('x') + document('y'), 'follows'],
    ['a document in the document', document(document('x').trimEnd()), 'dash that is not escaped'],
    ['an escaped armor in the text', document(`- ${BEGIN}\n\nSource: evil`), 'armor itself'],
    ['two signatures', document('x') + SIGNATURE, 'follows'],
    ['a signature inside', document(`x\n${SIGNATURE}Source: evil`), 'follows'],
    ['no signature', `${BEGIN}\n\nx\n`, 'no signature'],
    ['an unended signature', document('x').replace('-----END PGP SIGNATURE-----', ''), 'no end'],
    ['a begin line with something behind it', document('x').replace(BEGIN, `${BEGIN} x`), 'does not begin'],
    ['another header', document('x', 'Hash: SHA256\nSource: evil\n'), 'no other is allowed'],
    ['a NotDashEscaped header', document('x', 'NotDashEscaped: yes\n'), 'no other is allowed'],
    ['text in the signature', document('x').replace('=abcd', 'Source evil'), 'no base64'],
    ['a message block', '-----BEGIN PGP MESSAGE-----\n\nowGb\n-----END PGP MESSAGE-----\n', 'does not begin'],
    ['carriage returns', document('x').replaceAll('\n', '\r\n'), 'carriage return'],
    ['nothing', '', 'does not begin'],
  ])('H45 refuses %s', (_, text, word) => {
    expect(reasonOf(text)).toContain(word);
  });

  it('H47 refuses bytes that are not clean UTF-8', () => {
    expect(reasonOf(Buffer.from(document('\xff'), 'latin1'))).toContain('UTF-8');
    expect(reasonOf(document('a\0b'))).toContain('NUL');
  });

  it('never throws; what it accepts has one begin and one end', () => {
    const line = fc.constantFrom(
      BEGIN,
      '-----BEGIN PGP SIGNATURE-----',
      '-----END PGP SIGNATURE-----',
      '',
      'Hash: SHA256',
      'x: y',
      '- -',
      '-',
      '=abcd',
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 14 }), (lines) => {
        const text = lines.join('\n');
        const result = parseClearsigned(text);
        if ('kind' in result) return;
        expect(lines.filter((one) => one === BEGIN).length).toBe(1);
        expect(lines.filter((one) => one === '-----END PGP SIGNATURE-----').length).toBe(1);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void parseClearsigned(bytes)));
  });
});

it('tells an unsigned document from a signed one', () => {
  expect(looksClearsigned('Format: 1.8\nSource: x\n')).toBe(false);
  expect(looksClearsigned(Buffer.from(document('x')))).toBe(true);
});
