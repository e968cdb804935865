import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readMessages, type Message } from './sse.ts';

async function read(pieces: readonly Uint8Array[]): Promise<Message[]> {
  const messages: Message[] = [];
  const source = async function* (): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) {
      await Promise.resolve();
      yield piece;
    }
  };
  for await (const message of readMessages(source())) messages.push(message);
  return messages;
}

test('fields, comments, several lines of data, ids that stay', async () => {
  const text =
    ': hello\nretry: 5\nid: 7\nevent: log\ndata: a\ndata:b\n\ndata\n\nunknown: x\n\nid: 8\n\ndata: end\n\ndata: cut';
  expect(await read([Buffer.from(text)])).toEqual([
    { id: '7', event: 'log', data: 'a\nb' },
    { id: '7', event: 'message', data: '' },
    { id: '8', event: 'message', data: 'end' },
  ]);
});

test('the pieces that a stream comes in do not matter, nor does the end of line', async () => {
  const line = fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => text.replace(/[\r\n\0]/g, ''));
  const message = fc.record({
    id: line.filter((text) => text !== ''),
    event: line.filter((text) => text !== ''),
    data: fc.array(line, { minLength: 1, maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { maxLength: 5 }),
      fc.constantFrom('\n', '\r\n', '\r'),
      fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 }),
      async (messages, end, cuts) => {
        const text = messages
          .map(({ id, event, data }) =>
            [`id: ${id}`, `event: ${event}`, ...data.map((one) => `data: ${one}`), '', ''].join(end),
          )
          .join('');
        const bytes = Buffer.from(text);
        const pieces: Uint8Array[] = [];
        let at = 0;
        for (const cut of cuts) {
          pieces.push(bytes.subarray(at, at + cut));
          at += cut;
        }
        pieces.push(bytes.subarray(at));
        expect(await read(pieces)).toEqual(
          messages.map(({ id, event, data }) => ({ id, event, data: data.join('\n') })),
        );
      },
    ),
  );
});

test('a line without end is refused before it fills the memory', async () => {
  const piece = Buffer.alloc(300_000, 'x');
  await expect(read([piece, piece, piece, piece])).rejects.toThrow('a line of more than');
});
