/** Named checks and what came of each, in their order. */
import { State } from './facts.tsx';
import { Table } from './table.tsx';

export interface ShownCheck {
  readonly code: string;
  readonly outcome: string;
  readonly detail: string | null;
}

export function Checks({ checks }: { readonly checks: readonly ShownCheck[] }) {
  return (
    <Table rows={checks.map(({ code, outcome, detail }) => [<code>{code}</code>, <State state={outcome} />, detail])} />
  );
}
