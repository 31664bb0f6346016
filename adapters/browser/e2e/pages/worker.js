import { createSession } from '/client/index.js';

const session = createSession({ logoutPath: '/logout' });

addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));

// Pages have the worker call, and get what it knows.
addEventListener('message', (event) => {
  event.waitUntil((async () => {
    const response = event.data && (await session.fetch(event.data));
    event.ports[0].postMessage({ status: response?.status, exists: session.exists(), ended: session.ended });
  })());
});
