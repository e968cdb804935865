/** `landfall doctor` */
import type { Command } from 'commander';
import { stateDirectory } from '../../platform/paths.ts';
import { remoteCommand, run, type RemoteOptions } from '../command.ts';
import type { CliContext } from '../context.ts';
import { checkMachine } from '../doctor/machine.ts';
import { checkServer } from '../doctor/server.ts';
import type { Finding } from '../doctor/finding.ts';
import { EXIT } from '../exit-codes.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';
import type { Style, Tone } from '../output/style.ts';
import { table, type Cell } from '../output/table.ts';

export function doctorCommand(context: CliContext): Command {
  const command = remoteCommand('doctor', 'check this machine and the server, and say what mends what is wrong').action(
    async (options: RemoteOptions) => {
      await run(context, options, async () => {
        const stateFolder = stateDirectory(context.environment, context.caller);
        const findings = [
          ...(await checkMachine({ caller: context.caller, stateFolder })),
          ...(await checkServer(context, options)),
        ];
        answer(context, options.json, { findings }, (style) => render(findings, style));
        if (findings.some((finding) => finding.outcome === 'fail')) context.setExitCode(EXIT.failed);
      });
    },
  );
  return document(command, {
    text: [
      'Looks at programs, the user and its subordinate ids, namespaces, room, the server, its database and signer, the clocks, ' +
        'the workers and the token. Each line is ok, warn or FAIL, with what mends it. It works without a server. The exit ' +
        'code is 1 when something failed.',
    ],
    examples: [{ command: 'landfall doctor', says: 'What is wrong here?' }],
  });
}

const WORDS: Readonly<Record<Finding['outcome'], readonly [string, Tone]>> = {
  ok: ['ok', 'good'],
  warn: ['warn', 'waiting'],
  fail: ['FAIL', 'bad'],
};

function render(findings: readonly Finding[], style: Style): string {
  const rows = findings.flatMap((finding): (readonly (Cell | string)[])[] => {
    const [word, tone] = WORDS[finding.outcome];
    const remedy = finding.remedy === null ? '' : `${style.symbols.arrow} ${inertLine(finding.remedy)}`;
    return [
      [{ text: word, painted: style.paint(tone, word) }, inertLine(finding.name), inertLine(finding.says)],
      ...(remedy === '' ? [] : [['', '', { text: remedy, painted: style.paint('waiting', remedy) }]]),
    ];
  });
  return table(rows);
}
