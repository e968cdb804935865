import { userInfo } from 'node:os';
import { expect, test } from 'vitest';
import { debianPackageOf } from './programs.ts';
import { findUser } from './users.ts';

test('users are found by name and by number as the machine knows them, and others are not', async () => {
  expect(await findUser('root')).toEqual({ name: 'root', uid: 0, gid: 0, home: '/root' });
  const own = userInfo();
  expect(await findUser(own.uid)).toMatchObject({ name: own.username, uid: own.uid });
  expect(await findUser('no-such-user-here')).toBeUndefined();
  expect(await findUser('--help')).toBeUndefined();
});

test('programs lead to their Debian packages, by name or path', () => {
  expect(debianPackageOf('gpg')).toBe('gnupg');
  expect(debianPackageOf('/usr/lib/postgresql/15/bin/initdb')).toBe('postgresql');
  expect(debianPackageOf('unheard-of')).toBeUndefined();
});
