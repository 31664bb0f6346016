import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  build: {
    assetsInlineLimit: 0, // the page's policy allows no data: URLs
    target: 'es2022',
  },
  server: {
    host: '127.0.0.1',
    // The origin stays the page's own, which is what the API compares with.
    proxy: Object.fromEntries(['/api', '/healthz'].map((path) => [path, { target: 'http://127.0.0.1:8080', changeOrigin: false }])),
  },
});
