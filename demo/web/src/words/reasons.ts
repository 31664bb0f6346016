// Why a session ended, in plain words.

export interface Explanation {
  /** A few words, as a heading. */
  title: string;
  /** What has happened. */
  text: string;
  /** What to do, if there is anything to do. */
  advice?: string;
  /** Something that the user should worry about. */
  alarming?: boolean;
}

const explanations: Record<string, Explanation> = {
  logout: {
    title: 'You logged out',
    text: 'This session has ended, on the server too: none of its tokens is good for anything any more.',
  },
  idle: {
    title: 'It was not used for too long',
    text: 'A session ends when nobody has refreshed it for a while.',
  },
  absolute: {
    title: 'It had reached its longest life',
    text: 'However often it is used, no session lives longer than that.',
  },
  theft: {
    title: 'Somebody else held a copy of your refresh token',
    text:
      'A token was presented that had already been replaced, so two hands held this session. The server cannot tell which of them '
      + 'is yours, and ended it for both. You can log in again, and the other one cannot.',
    advice: 'If you do not know how the copy came about, change your password.',
    alarming: true,
  },
  revoked: {
    title: 'It was ended by an administrator',
    text: 'Somebody who looks after this service ended your session.',
  },
  revoked_by_user: {
    title: 'You ended it from another device',
    text: 'In the list of your devices, this one was logged out.',
    advice: 'If that was not you, change your password.',
  },
  session_limit: {
    title: 'You logged in on one device too many',
    text: 'Only so many sessions may live at once. This was the oldest, and had to make room.',
  },
  password_changed: {
    title: 'Your password was changed on another device',
    text: 'Whoever knew the old one may have begun this session, so it has ended.',
    advice: 'If that was not you, somebody knows your password.',
    alarming: true,
  },
  key_compromised: {
    title: 'The keys behind all sessions were replaced',
    text: 'That is done after a leak. Everybody has to log in again; it has nothing to do with you in particular.',
  },
};

/** Why a session ended, by the code that the refused request got. */
export function explain(reason: string | undefined): Explanation {
  return (
    explanations[reason ?? ''] ?? {
      title: 'Your session has ended',
      text: reason
        ? `The server gives “${reason}” as the reason.`
        : 'It may have reached its age, or its cookies were removed. The server could not say which session it was.',
    }
  );
}
