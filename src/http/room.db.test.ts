/** H13: with little room, new work is refused before it begins, in words; what is served and shown goes on. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createHttpWorld, type HttpWorld } from '../../test/scenarios/http-world.ts';
import { openRoom } from '../platform/room.ts';
import { createApp } from './app.ts';

let world: HttpWorld;
beforeAll(async () => {
  world = await createHttpWorld();
});
afterAll(async () => {
  await world.close();
});

it('H13 leases and uploads are answered with 507, what is missing and what to do; the status shows it, and all of it ends by itself', async () => {
  // More is to be kept free than any disk has.
  const room = openRoom({ folder: world.folder, lowBytes: Number.MAX_SAFE_INTEGER, reserveBytes: 0 });
  const app = createApp({ ...world.httpDeps, room });
  const worker = { authorization: `Bearer ${world.worker.secret}`, 'landfall-token': '1' };
  const lease = await app.request('/api/v1/worker/leases', {
    method: 'POST',
    headers: { ...worker, 'content-type': 'application/json' },
    body: JSON.stringify({ waitSeconds: 0 }),
  });
  expect(lease.status).toBe(507);
  expect(lease.headers.get('retry-after')).toBe('30');
  expect(await lease.json()).toMatchObject({
    code: 'storage.low',
    detail: expect.stringMatching(/no new work is handed out and no upload begins \(\d+ MiB are free/) as string,
    remedy: expect.stringMatching(/free some space/) as string,
  });
  const hash = createHash('sha256').update('x').digest('hex');
  const put = await app.request(`/api/v1/worker/attempts/1/files/x_1.deb?sha256=${hash}&size=1`, {
    method: 'PUT',
    headers: worker,
    body: 'x',
  });
  expect(put.status).toBe(507);
  const status: unknown = await (await app.request('/api/v1/status')).json();
  expect(status).toMatchObject({
    alerts: expect.arrayContaining([expect.stringMatching(/^little room is left .*free some space/)]) as string[],
  });
  expect(await (await app.request('/')).text()).toMatch(/little room is left/);
  const again = await world.request('/api/v1/worker/leases', {
    method: 'POST',
    as: 'worker',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ waitSeconds: 0 }),
  });
  expect([200, 204]).toContain(again.status);
});
