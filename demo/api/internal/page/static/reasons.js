// Why a session ended, in plain words, by the code that the refused request gets.

const sentences = {
  idle: 'Nobody used it for too long.',
  absolute: 'It had reached the longest life that a session may have.',
  logout: 'You logged out of it.',
  revoked: 'An administrator ended it.',
  revoked_by_user: 'You ended it yourself, from another device or everywhere at once.',
  session_limit: 'You logged in on more devices than you may use at once, and this one had to go.',
  password_changed: 'Your password was changed on another device.',
  key_compromised: 'The keys behind all sessions were replaced, as after a leak: everybody has to log in again.',
  theft: 'A copy of your refresh token was in somebody else\u2019s hands, so it was ended to keep them out.',
  // This page's own: once its time is up the browser drops the cookies, and nothing tells the server which session it was.
  expired: 'Its time was up: nobody used it for too long, or it had reached its longest life.',
};

export function why(reason) { return sentences[reason] ?? 'The server does not say why.'; }
