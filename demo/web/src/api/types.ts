/** What GET /api/demo tells of how this demo is set up. */
export interface Setup {
  store: 'memory' | 'mysql';
  graceMs: number;
  proofMs: number;
  accessMs: number;
  idleMs: number;
  passwordMin: number;
  antiCsrf: string;
  revocation: 'feed' | 'strict' | 'off';
  theft: 'revoke' | 'revoke_user' | 'report';
  refreshPath: string;
  lab: boolean;
  login?: { userId: string; password: string };
}

export interface Me {
  userId: string;
  payload: unknown;
  handle: string;
}

/** What is known of a client's device: empty where nothing is, or nothing may be kept. */
export interface Device {
  userAgent: string;
  address: string;
}

export interface ListedSession extends Device {
  handle: string;
  current: boolean;
  createdAt: string;
  refreshedAt: string;
  expiresAt: string;
  label: string;
}

export interface Theft {
  kind: 'reuse' | 'shadow';
  generations: number;
  millisecondsSinceRotation: number;
  device: Device;
  presenter: Device;
}

export interface Ending extends Device {
  handle: string;
  reason: string;
  endedAt: string;
  createdAt: string;
  label: string;
  theft?: Theft;
}
