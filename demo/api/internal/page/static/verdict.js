// What an answer means, in plain words.

const errors = {
  try_refresh: 'The access token has expired or is missing. Refresh, then try again.',
  unauthorised: 'There is no session (any more). The cookies were cleared.',
  token_theft: 'Theft: this refresh token had been replaced. The session has ended.',
  anti_csrf: 'The anti-csrf header is missing or wrong. Nothing was done.',
  invalid_credentials: 'No such user, or another password. The answer does not say which.',
  user_exists: 'Somebody has this user name already.',
  invalid_user_id: 'A user name has 1 to 128 characters.',
  invalid_password: 'A password has 8 to 128 characters.',
  conflict: 'The data was changed meanwhile, so it was not replaced. Read it again.',
  unavailable: 'The store does not answer. Nothing is lost: try again in a moment.',
  busy: 'Too many logins at once. Try again in a moment.',
  unreachable: 'The server cannot be reached.',
  no_refresh_token: 'The request carried no refresh token.',
};

const good = {
  'POST /api/login': 'Logged in. Three cookies were set.',
  'POST /api/register': 'Registered and logged in. Three cookies were set.',
  'POST /api/logout': 'Logged out. The session has ended and the cookies were cleared.',
  'POST /api/logout-all': 'Every session of this user has ended. The cookies were cleared.',
  'GET /api/data': 'The data that the server keeps with the session.',
  'PUT /api/data': 'Replaced: it still was what this page had read.',
  'GET /api/sessions': 'The sessions of this user.',
};

export function verdict(answer) {
  if (answer.code in errors) return errors[answer.code];
  if (!answer.ok) return `Refused: ${answer.code || 'no reason was given'}.`;
  if (answer.thief) return 'Honoured: it could be a request that has crossed with a refresh.';
  if (answer.path.endsWith('/demo-replay')) return 'The thief has copied the refresh token.';
  if (answer.renewed !== undefined && answer.method === 'POST' && answer.path.endsWith('/refresh')) {
    return answer.renewed ? 'A new access token and a new refresh token.'
      : 'A new access token. The refresh token is brand-new and stays.';
  }
  if (answer.confirmed) return 'Good. Being the first since the refresh, it told the server that the new token has arrived.';
  return good[`${answer.method} ${answer.path}`] ?? 'Good: the signature says who you are. No store was asked.';
}
