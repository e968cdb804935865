/**
 * Where packages belong: component, section and priority by the archive's overrides, and for a package that has none by what it
 * says of itself. An override also says which source may build a binary package.
 */
import type { Db, Trx } from '../platform/database.ts';
import { debugSymbolsOf } from './package-list.ts';

export interface Placement {
  readonly component: string;
  readonly section: string;
  readonly priority: string;
}

export type OverrideKind = 'source' | 'deb' | 'udeb';

export interface OverrideRow extends Placement {
  readonly source: string;
}

/** What is to be placed. */
export interface ToPlace {
  readonly kind: OverrideKind;
  readonly package: string;
  readonly section: string | undefined;
  readonly priority: string | undefined;
}

export interface Placed extends Placement {
  /** No override told: it is new to the archive. */
  readonly isNew: boolean;
  /** The source that owns the name; undefined when nobody does. */
  readonly owner: string | undefined;
}

/** `contrib/net` is the section `contrib/net` of the component contrib; without a prefix the suite's first component. */
export function componentOf(section: string | undefined, components: readonly string[]): string {
  const slash = section?.indexOf('/') ?? -1;
  return section !== undefined && slash > 0 ? section.slice(0, slash) : (components[0] ?? 'main');
}

export async function findOverride(
  db: Db,
  archiveId: number,
  kind: OverrideKind,
  name: string,
): Promise<OverrideRow | undefined> {
  return await db
    .selectFrom('overrides')
    .select(['component', 'section', 'priority', 'source'])
    .where('archive_id', '=', archiveId)
    .where('kind', '=', kind)
    .where('package', '=', name)
    .executeTakeFirst();
}

/** Debug symbols have no override of their own: they go where their package goes, and belong to whom it belongs. */
export async function place(db: Db, archiveId: number, item: ToPlace, components: readonly string[]): Promise<Placed> {
  const own = await findOverride(db, archiveId, item.kind, item.package);
  if (own !== undefined) return { ...own, isNew: false, owner: own.source };
  const base = item.kind === 'deb' ? debugSymbolsOf(item.package) : undefined;
  const parent = base === undefined ? undefined : await findOverride(db, archiveId, 'deb', base);
  if (parent !== undefined) {
    const section = parent.section.includes('/') ? `${parent.component}/debug` : 'debug';
    return { component: parent.component, section, priority: 'optional', isNew: false, owner: parent.source };
  }
  return {
    component: componentOf(item.section, components),
    section: item.section ?? 'misc',
    priority: item.priority ?? 'optional',
    isNew: true,
    owner: undefined,
  };
}

/** Writes the override of a package that was let in; an approved one of another source takes the name over. */
export async function setOverride(
  trx: Trx,
  archiveId: number,
  item: { readonly kind: OverrideKind; readonly package: string; readonly source: string },
  placement: Placement,
): Promise<void> {
  const { component, section, priority } = placement;
  await trx
    .insertInto('overrides')
    .values({
      archive_id: archiveId,
      kind: item.kind,
      package: item.package,
      component,
      section,
      priority,
      source: item.source,
    })
    .onConflict((conflict) => conflict.columns(['archive_id', 'kind', 'package']).doUpdateSet({ source: item.source }))
    .execute();
}
