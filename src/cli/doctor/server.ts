/** Whether the server can be reached, what it says of itself, and whether the token is good. */
import { connect as open } from 'node:net';
import { ApiProblem, ServerUnreachable, createClient } from '../../contract/client.ts';
import { statusRoute } from '../../contract/status.ts';
import { whoamiRoute } from '../../contract/tokens.ts';
import { describeError } from '../../platform/errors.ts';
import { connect, findConnection, type ConnectionOptions } from '../connection.ts';
import type { CliContext } from '../context.ts';
import { bytes, duration } from '../output/time.ts';
import { fail, ok, warn, type Finding } from './finding.ts';

const TIMEOUT_MS = 5_000;
const MAX_SKEW_MS = 60_000;

export async function checkServer(context: CliContext, options: ConnectionOptions): Promise<Finding[]> {
  try {
    const connection = await findConnection(context, options);
    const client = createClient({
      url: connection.url,
      timeoutMs: TIMEOUT_MS,
      ...(context.transport === undefined ? {} : { transport: context.transport }),
    });
    const findings: Finding[] = [];
    const ready = await probe(async () => (await client.fetch('/readyz', { signal: context.signal })).text());
    if (ready instanceof ServerUnreachable) {
      return [
        warn(
          'server',
          `no server at ${connection.url} (from ${connection.from}): ${ready.reason}`,
          'start it with `landfall serve`, or say where it is with --url',
        ),
        ...(await checkPort(connection.url)),
      ];
    }
    findings.push(
      ready instanceof ApiProblem
        ? fail('server', `${connection.url} is not ready: ${ready.detail}`, ready.remedy ?? "look at the server's log")
        : ok('server', `${connection.url} answers, and so does its database`),
    );
    findings.push(...(await checkStatus(context, options)), await checkToken(context, options));
    return findings;
  } catch (error) {
    return [fail('server', describeError(error), 'mend the client configuration, or give --url and --token-file')];
  }
}

async function checkStatus(context: CliContext, options: ConnectionOptions): Promise<Finding[]> {
  const client = await connect(context, { url: options.url, tokenFile: options.tokenFile });
  const status = await probe(() => client.call(statusRoute, { signal: context.signal, timeoutMs: TIMEOUT_MS }));
  if (status instanceof Error) return [fail('status', status.message, "look at the server's log")];
  const findings: Finding[] = [];
  const skew = Date.parse(status.now) - context.now().getTime();
  findings.push(
    Math.abs(skew) <= MAX_SKEW_MS
      ? ok('clock', 'the clocks here and there agree')
      : warn('clock', `the server's clock differs by ${duration(Math.abs(skew))}`, 'set both clocks by NTP'),
  );
  const alive = status.workers.filter((worker) => worker.state === 'alive').length;
  findings.push(
    alive > 0
      ? ok('workers', `${alive} of ${status.workers.length} workers made contact lately`)
      : warn('workers', 'no worker made contact lately', 'start one with `landfall worker`'),
  );
  if (status.space !== null) {
    const says = `${bytes(status.space.availableBytes)} free on the server`;
    findings.push(
      status.space.availableBytes < 1e9
        ? fail('room there', says, 'free some space on the server')
        : ok('room there', says),
    );
  }
  findings.push(...status.alerts.map((alert) => warn('alert', alert, `see ${client.url}/`)));
  return findings;
}

async function checkToken(context: CliContext, options: ConnectionOptions): Promise<Finding> {
  const connection = await findConnection(context, options);
  if (connection.tokenFile === undefined) {
    return warn(
      'token',
      'there is no token: what is public can be read, and nothing changed',
      'give one with --token-file',
    );
  }
  const client = await connect(context, options);
  const actor = await probe(() => client.call(whoamiRoute, { signal: context.signal, timeoutMs: TIMEOUT_MS }));
  if (actor instanceof Error) {
    return fail(
      'token',
      `the token in ${connection.tokenFile} is not taken: ${actor.message}`,
      'ask an administrator for a new one',
    );
  }
  return ok('token', `you are ${actor.handle}${actor.administrator ? ', an administrator' : ''}`);
}

/** When no server answers: whether something else sits on its port. */
async function checkPort(url: string): Promise<Finding[]> {
  const { hostname, port } = new URL(url);
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) return [];
  const number = Number(port === '' ? '80' : port);
  const holder = await portIsTaken(hostname.replace(/^\[|\]$/g, ''), number);
  return [
    holder
      ? fail(
          'port',
          `something that is not Landfall listens on port ${number}`,
          'choose another with [server] listen in landfall.toml',
        )
      : ok('port', `port ${number} is free`),
  ];
}

async function portIsTaken(host: string, port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = open({ host, port, timeout: 1_000 });
    const done = (taken: boolean): void => {
      socket.destroy();
      resolve(taken);
    };
    socket.once('connect', () => done(true));
    socket.once('timeout', () => done(false));
    socket.once('error', () => done(false));
  });
}

async function probe<T>(ask: () => Promise<T>): Promise<T | ApiProblem | ServerUnreachable> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ApiProblem || error instanceof ServerUnreachable) return error;
    throw error;
  }
}
