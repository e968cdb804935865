import fc from 'fast-check';
import { expect, test } from 'vitest';
import { failRoute } from '../contract/worker.ts';
import { cleanCode } from './attempt-client.ts';

test('whatever a fault calls itself, its code fits the contract', () => {
  const { code } = failRoute.request.body.content['application/json'].schema.shape;
  expect(cleanCode('limit.memory')).toBe('limit.memory');
  expect(cleanCode('ERR_INVALID_ARG')).toBe('err-invalid-arg');
  expect(cleanCode('…')).toBe('worker.fault');
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('a', '.', '-', '_', '0') })), (text) => {
      expect(code.safeParse(cleanCode(text)).success).toBe(true);
    }),
  );
});
