import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { running } from './api';

/** Builds the page and the API, once for all tests. */
export default function build(): (() => void) | undefined {
  if (running) return undefined;
  execFileSync('npm', ['run', 'build'], { cwd: fileURLToPath(new URL('..', import.meta.url)), stdio: ['ignore', 'ignore', 'inherit'] });
  const directory = mkdtempSync(join(tmpdir(), 'watchword-'));
  const program = join(directory, 'api');
  execFileSync('go', ['build', '-o', program, '.'], { cwd: fileURLToPath(new URL('../../api', import.meta.url)), stdio: 'inherit' });
  process.env['WATCHWORD_API'] = program;
  return () => rmSync(directory, { recursive: true });
}
