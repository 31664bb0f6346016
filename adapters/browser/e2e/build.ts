import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Builds the server once for all tests, which find it in the environment. */
export default function build(): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'watchword-'));
  const program = join(directory, 'site');
  execFileSync('go', ['build', '-o', program, './browser/site'], {
    cwd: fileURLToPath(new URL('../../../integration', import.meta.url)),
    env: { ...process.env, GOWORK: 'off' },
    stdio: 'inherit',
  });
  process.env['WATCHWORD_SITE'] = program;
  return () => rmSync(directory, { recursive: true });
}
