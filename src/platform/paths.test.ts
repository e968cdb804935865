import { expect, test } from 'vitest';
import { requireSocketPath, stateDirectory, statePaths } from './paths.ts';

const person = { uid: 1000, user: 'me' };

test('the state folder is the system’s for root and the service user, and one’s own for anybody else', () => {
  expect(stateDirectory({ HOME: '/root' }, { uid: 0, user: 'root' })).toBe('/var/lib/landfall');
  expect(stateDirectory({}, { uid: 999, user: 'landfall' })).toBe('/var/lib/landfall');
  expect(stateDirectory({ HOME: '/home/me' }, person)).toBe('/home/me/.local/state/landfall');
  expect(stateDirectory({ HOME: '/home/me', XDG_STATE_HOME: '/x' }, person)).toBe('/x/landfall');
  expect(stateDirectory({ HOME: '/home/me', XDG_STATE_HOME: 'relative' }, person)).toBe(
    '/home/me/.local/state/landfall',
  );
  expect(stateDirectory({ LANDFALL_STATE_DIR: '/elsewhere' }, { uid: 0, user: 'root' })).toBe('/elsewhere');
});

test('what cannot be a state folder is a fault with a remedy', () => {
  expect(() => stateDirectory({ LANDFALL_STATE_DIR: 'here' }, person)).toThrow(
    'LANDFALL_STATE_DIR is the relative path',
  );
  expect(() => stateDirectory({}, person)).toThrow('HOME is not set');
});

test('everything lies below the root, and a name never leads out of it', () => {
  const paths = statePaths('/s');
  expect(paths.worker('one')).toBe('/s/worker/one');
  expect(paths.archive('main')).toBe('/s/archives/main');
  expect(paths.log('serve')).toBe('/s/logs/serve.log');
  for (const name of ['', '..', '../x', 'a/b', '.hidden', 'a\0', 'a\n']) {
    expect(() => paths.worker(name), JSON.stringify(name)).toThrow('cannot be part of a path');
  }
});

test('a socket path is measured in bytes', () => {
  expect(requireSocketPath(`/${'a'.repeat(106)}`)).toHaveLength(107);
  expect(() => requireSocketPath(`/${'a'.repeat(107)}`)).toThrow('its path has 108 bytes');
  expect(() => requireSocketPath(`/${'ä'.repeat(60)}`)).toThrow('its path has 121 bytes');
});
