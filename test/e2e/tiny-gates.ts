/**
 * Gates in the database of a tiny machine, so that a test can strike the program at an exact step: whoever comes to a closed
 * gate waits inside the transaction that would take the step, until the test opens it. So a process that is killed there has
 * taken the step before and not this one, every time.
 *
 * They are triggers that only the test adds; the program knows nothing of them. Their names:
 *
 *     event:KIND[:JOBKIND]    before an event is recorded, thus before the transaction of its fact commits
 *     log:JOBKIND             before bytes are added to the log of an attempt
 *     file:JOBKIND:N          before the Nth file of an attempt is recorded; its bytes are in the store
 *     publication:STATE       before a publication gets that state
 */
import pg from 'pg';
import { clientConfig, type DatabaseConnection } from '../../src/platform/database.ts';
import { until } from './tiny-world.ts';

/** First half of the advisory locks' key. */
const CLASS = 4_711;

export interface Gates {
  /** Closes gates; who comes to one of them waits. */
  close(names: readonly string[]): Promise<void>;
  /** Waits until somebody stands before a closed gate. */
  reached(name: string, deadlineMs: number): Promise<void>;
  open(name: string): Promise<void>;
  /** Opens all gates and forgets them. */
  end(): Promise<void>;
}

const TRIGGERS = `
  CREATE SCHEMA IF NOT EXISTS gates;
  CREATE OR REPLACE FUNCTION gates.pass(name text) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM pg_advisory_xact_lock_shared(${CLASS}, hashtext(name));
  END $$;

  CREATE OR REPLACE FUNCTION gates.event() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM gates.pass('event:' || NEW.kind || coalesce(':' || (NEW.data ->> 'jobKind'), ''));
    RETURN NEW;
  END $$;
  CREATE OR REPLACE TRIGGER gate BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION gates.event();

  CREATE OR REPLACE FUNCTION gates.job_kind(attempt bigint) RETURNS text LANGUAGE sql AS
    'SELECT j.kind FROM jobs j JOIN attempts a ON a.job_id = j.id WHERE a.id = attempt';
  CREATE OR REPLACE FUNCTION gates.log() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM gates.pass('log:' || gates.job_kind(NEW.attempt_id));
    RETURN NEW;
  END $$;
  CREATE OR REPLACE TRIGGER gate BEFORE INSERT ON log_chunks FOR EACH ROW EXECUTE FUNCTION gates.log();

  CREATE OR REPLACE FUNCTION gates.file() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM gates.pass('file:' || gates.job_kind(NEW.attempt_id) || ':'
      || 1 + (SELECT count(*) FROM attempt_files f WHERE f.attempt_id = NEW.attempt_id));
    RETURN NEW;
  END $$;
  CREATE OR REPLACE TRIGGER gate BEFORE INSERT ON attempt_files FOR EACH ROW EXECUTE FUNCTION gates.file();

  CREATE OR REPLACE FUNCTION gates.publication() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM gates.pass('publication:' || NEW.state);
    RETURN NEW;
  END $$;
  CREATE OR REPLACE TRIGGER gate BEFORE INSERT OR UPDATE OF state ON publications FOR EACH ROW EXECUTE FUNCTION gates.publication();
`;

/** Adds the gates, all open, or finds those that are there. They end with the connection to the database. */
export async function makeGates(connection: DatabaseConnection): Promise<Gates> {
  const client = new pg.Client(clientConfig(connection, 'test gates'));
  client.on('error', () => undefined);
  await client.connect();
  await client.query(TRIGGERS);
  return {
    close: async (names) => {
      for (const name of names) await client.query('SELECT pg_advisory_lock($1, hashtext($2))', [CLASS, name]);
    },
    reached: async (name, deadlineMs) => {
      await until(
        async () => {
          const { rowCount } = await client.query(
            `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid = $1
               AND objid::bigint = hashtext($2)::bigint & 4294967295`,
            [CLASS, name],
          );
          return rowCount === 0 ? undefined : true;
        },
        `somebody before the gate ${name}`,
        deadlineMs,
        10,
      );
    },
    open: async (name) => {
      await client.query('SELECT pg_advisory_unlock($1, hashtext($2))', [CLASS, name]);
    },
    end: async () => {
      await client.end();
    },
  };
}
