import { build } from 'esbuild';

/** What e2e/original.spec.ts finds in the page: the original's front-end SDK, for fetch and for axios. */
export interface Original {
  sdk: {
    init(options: Options): void;
    doesSessionExist(): boolean;
  };
  sdkForAxios: {
    init(options: Options): void;
    makeSuper(client: Axios): void;
  };
  axios: { create(options: { baseURL: string; withCredentials: boolean }): Axios };
  client: Axios; // that the page has made
}

interface Options {
  refreshTokenUrl: string;
  sessionExpiredStatusCode: number;
  websiteRootDomain: string;
}

interface Axios {
  request(options: { method: string; url: string; validateStatus: (status: number) => boolean }): Promise<{ status: number }>;
}

/** Bundles the SDK as its users did, as a script for a page. It expects Node's global names, as webpack gave them in its time. */
export async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import sdk from 'supertokens-website';
        import sdkForAxios from 'supertokens-website/axios';
        import axios from 'axios';
        Object.assign(window, { sdk, sdkForAxios, axios });
      `,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    write: false,
    format: 'iife',
    banner: { js: 'window.process = { env: {} };' },
    define: { global: 'window' },
  });
  return outputFiles[0]!.text;
}
