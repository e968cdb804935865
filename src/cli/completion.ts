/** Completion for bash, made from the commands' own definition: commands, subcommands, options. */
import type { Command } from 'commander';
import { commandsBelow } from './manual.ts';

/** A script to be sourced by bash, or put into /usr/share/bash-completion/completions/landfall. */
export function bashCompletion(program: Command): string {
  const cases = commandsBelow(program).map(({ words, command }) => {
    const children = command.commands.filter((child) => child.name() !== 'help').map((child) => child.name());
    const options = command.options.filter((option) => !option.hidden).flatMap((option) => option.long ?? []);
    return `    ${quote(words.slice(1).join(' '))}) words=${quote([...children, ...options, '--help'].join(' '))} ;;`;
  });
  const name = program.name();
  return `# bash completion for ${name}; made by \`${name} completion\`
_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} path= known= word words= index
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    [[ $word == -* ]] && continue
    known="\${path:+$path }$word"
    case "$known" in
${commandsBelow(program)
  .filter(({ words }) => words.length > 1)
  .map(({ words }) => `      ${quote(words.slice(1).join(' '))}) path=$known ;;`)
  .join('\n')}
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _${name} ${name}
`;
}

function quote(text: string): string {
  return `'${text.replace(/'/g, `'\\''`)}'`;
}
