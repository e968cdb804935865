import { expect, test } from 'vitest';
import { checkMachine, countSubordinateIds } from './machine.ts';

test('subordinate ids are counted for the name and for the number', () => {
  const text = 'other:100000:65536\nlandfall:165536:65536\n998:300000:1000\nlandfall:nonsense\n# landfall:1:1\n';
  expect(countSubordinateIds(text, 'landfall', 998)).toBe(66_536);
  expect(countSubordinateIds('', 'landfall', 998)).toBe(0);
});

test('every finding that is not ok says what mends it', async () => {
  const findings = await checkMachine({
    caller: { uid: 4711, user: 'nobody-of-this-name' },
    stateFolder: '/nonexistent/state',
  });
  expect(findings.map((finding) => finding.name)).toEqual(
    expect.arrayContaining(['node', 'programs of serve', 'user', 'room']),
  );
  for (const finding of findings) expect(finding.remedy === null).toBe(finding.outcome === 'ok');
  expect(findings.find((finding) => finding.name === 'user')?.outcome).toBe('warn');
});
