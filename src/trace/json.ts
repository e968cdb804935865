/** Looking into JSON that a job or a worker wrote, without believing in its shape. */
import type { JsonObject, JsonValue } from '../platform/database.ts';

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !isList(value);
}

/** Its items; none when it is no list. */
export function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return value !== undefined && isList(value) ? value : [];
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
