/** Steps of long work: each is told when it is done, with how long it took. */

export interface Step {
  readonly name: string;
  readonly milliseconds: number;
  /** What came of it, in words. */
  readonly says: string;
}

export interface Steps {
  readonly done: readonly Step[];
  run<T>(name: string, work: () => Promise<T>, says?: (result: T) => string): Promise<T>;
}

export function stepper(onStep: (step: Step) => void = () => undefined): Steps {
  const done: Step[] = [];
  return {
    done,
    run: async (name, work, says) => {
      const started = performance.now();
      const result = await work();
      const step = { name, milliseconds: Math.round(performance.now() - started), says: says?.(result) ?? '' };
      done.push(step);
      onStep(step);
      return result;
    },
  };
}
