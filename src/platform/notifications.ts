/**
 * LISTEN: wakes whoever waits for something that another process commits. A notification is only a hint that may be lost
 * while the connection is away, so each listener polls beneath; after every reconnection it is woken once.
 */
import pg from 'pg';
import { clientConfig, type DatabaseConnection } from './database.ts';
import { toError } from './errors.ts';

export interface Listener {
  /** Closes the connection; nothing is called afterwards. */
  stop(): Promise<void>;
}

export interface ListenOptions {
  readonly channels: readonly string[];
  /** Called with channel and payload; after a reconnection once for each channel, with an empty payload. */
  readonly onNotification: (channel: string, payload: string) => void;
  readonly onError?: (error: Error) => void;
  readonly retryMs?: number;
}

/** Listens on one connection of its own until stopped. Returns when it listens, or after the first attempt failed. */
export async function listen(connection: DatabaseConnection, options: ListenOptions): Promise<Listener> {
  let stopped = false;
  let client: pg.Client | undefined;
  let retry: NodeJS.Timeout | undefined;
  let connecting = Promise.resolve();

  const again = (): void => {
    if (stopped || retry !== undefined) return;
    retry = setTimeout(() => {
      retry = undefined;
      connecting = connect();
    }, options.retryMs ?? 1_000);
  };
  const connect = async (): Promise<void> => {
    const fresh = new pg.Client(clientConfig(connection, 'landfall listen'));
    let lost = false;
    const lose = (error?: Error): void => {
      if (lost) return;
      lost = true;
      if (error !== undefined && !stopped) options.onError?.(error);
      if (client === fresh) client = undefined;
      again();
    };
    fresh.on('error', lose);
    fresh.on('end', () => lose());
    fresh.on('notification', (message) => {
      if (!stopped) options.onNotification(message.channel, message.payload ?? '');
    });
    try {
      await fresh.connect();
      for (const channel of options.channels) await fresh.query(`LISTEN ${fresh.escapeIdentifier(channel)}`);
      client = fresh;
      if (!stopped) for (const channel of options.channels) options.onNotification(channel, '');
    } catch (error) {
      lose(toError(error));
      await fresh.end().catch(() => undefined);
    }
  };
  connecting = connect();
  await connecting;
  return {
    stop: async () => {
      stopped = true;
      clearTimeout(retry);
      await connecting;
      clearTimeout(retry);
      await client?.end().catch(() => undefined);
    },
  };
}
