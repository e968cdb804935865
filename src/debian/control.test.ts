import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { binariesFor, parseControl } from './control.ts';

const CONTROL = `# comment
Source: hello
Section: utils
Priority: optional
Maintainer: Ann <ann@example.org>
Build-Depends: debhelper-compat (= 13),
# another
 help2man <!nodoc>

Package: hello
Architecture: any
Depends: \${shlibs:Depends}
Description: greeting
 more
 \t
Package: hello-doc
Architecture: all
Section: doc
Build-Profiles: <!nodoc>
Essential: yes
Description: manual
`;

function reasonOf(text: string): string {
  const result = parseControl(text);
  return 'kind' in result ? result.reason : 'accepted';
}

describe('parseControl', () => {
  it('reads source and binaries; a binary inherits section and priority', () => {
    const control = parseControl(CONTROL);
    if ('kind' in control) throw new Error(control.reason);
    expect(control.source).toMatchObject({ name: 'hello', section: 'utils', priority: 'optional' });
    expect(control.source.paragraph.list('Build-Depends')).toEqual(['debhelper-compat (= 13)', 'help2man <!nodoc>']);
    expect(control.binaries).toMatchObject([
      { name: 'hello', architectures: ['any'], packageType: 'deb', section: 'utils', essential: false },
      {
        name: 'hello-doc',
        architectures: ['all'],
        section: 'doc',
        priority: 'optional',
        essential: true,
        buildProfiles: '<!nodoc>',
      },
    ]);
    expect(binariesFor(control, 'arm64').map((binary) => binary.name)).toEqual(['hello']);
    expect(binariesFor(control, 'all').map((binary) => binary.name)).toEqual(['hello-doc']);
  });

  it.each([
    ['nothing', '', 'no paragraph'],
    ['no binary', CONTROL.split('\n\n')[0] ?? '', 'no binary package'],
    ['no source', CONTROL.replace('Source: hello\n', ''), 'no Source'],
    ['an unsafe source', CONTROL.replace('Source: hello', 'Source: ../x'), 'source package'],
    ['no maintainer', CONTROL.replace(/Maintainer.*\n/, ''), 'no Maintainer'],
    ['an unsafe binary', CONTROL.replace('Package: hello-doc', 'Package: hello/doc'), 'binary package'],
    ['a binary twice', CONTROL.replace('Package: hello-doc', 'Package: hello'), 'twice'],
    ['no architecture', CONTROL.replace('Architecture: all\n', ''), 'no Architecture'],
    ['an unknown architecture', CONTROL.replace('Architecture: all', 'Architecture: amd65'), 'not an architecture'],
    ['an unsafe section', CONTROL.replace('Section: doc', 'Section: ../doc'), 'not a section'],
    ['a field twice', CONTROL.replace('Section: utils', 'Maintainer: x'), 'twice'],
    ['an unknown priority', CONTROL.replace('Priority: optional', 'Priority: urgent'), 'not a priority'],
    ['a binary paragraph first', CONTROL.replace('Section: utils', 'Package: x'), 'must describe the source'],
  ])('refuses %s', (_, text, word) => {
    expect(reasonOf(text)).toContain(word);
  });

  it('H55 refuses an 8 MB control file', () => {
    expect(reasonOf(`${CONTROL}${' x\n'.repeat(2_700_000)}`)).toContain('larger');
  });

  it('never throws', () => {
    const line = fc.constantFrom(
      'Source: a1',
      'Package: b1',
      'Package: c1',
      'Architecture: any',
      'Maintainer: x',
      '',
      ' x',
      '#',
      'Section: \0',
      'a',
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => void parseControl(lines.join('\n'))),
      { numRuns: 1_000 },
    );
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void parseControl(bytes)));
  });
});
