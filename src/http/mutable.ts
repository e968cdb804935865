/** The services give what is read-only, the wire's types do not say so: the same object, by another promise of the compiler's. */

export type Mutable<T> = T extends (...parameters: never) => unknown
  ? T
  : T extends readonly (infer E)[]
    ? Mutable<E>[]
    : T extends object
      ? { -readonly [K in keyof T]: Mutable<T[K]> }
      : T;

export function mutable<T>(value: T): Mutable<T> {
  return value as Mutable<T>;
}

/** The object without what is undefined, as exact optional properties want it. */
export function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Defined<T>;
}

export type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };
