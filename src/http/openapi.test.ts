import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format } from 'prettier';
import { expect, test } from 'vitest';
import { API_ROUTES } from '../contract/api.ts';
import { openApiDocument } from './openapi.ts';

const FILE = join(import.meta.dirname, '..', '..', 'openapi.json');

test('the committed description is what the routes say; `UPDATE_OPENAPI=1` writes it anew', async () => {
  const text = await format(JSON.stringify(openApiDocument()), { parser: 'json', printWidth: 120 });
  if (process.env.UPDATE_OPENAPI === '1') await writeFile(FILE, text);
  expect(await readFile(FILE, 'utf8')).toBe(text);
});

test('every route stands in it with who may use it', () => {
  const { paths } = openApiDocument();
  for (const route of API_ROUTES) {
    expect(paths, route.path).toHaveProperty(
      [route.path, route.method, 'x-landfall-access'],
      route['x-landfall-access'],
    );
  }
});
