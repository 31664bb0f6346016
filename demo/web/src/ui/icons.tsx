// Small pictures, all drawn on a grid of 16 by 16 and in the colour of the text around them.

function Icon({ children }: { children: React.ReactNode }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

/** The owner's head and shoulders. */
export const youPath = 'M8 1.5a3.2 3.2 0 1 1 0 6.4a3.2 3.2 0 0 1 0-6.4zM1.8 14.5c.4-3.4 2.9-5.2 6.2-5.2s5.8 1.8 6.2 5.2z';
/** A mask with two eyes. */
export const thiefPath =
  'M1 5.2c2.2-1.3 4.6-1.6 7-.6c2.4-1 4.8-.7 7 .6c.1 4.2-1.5 6.8-4 6.8c-1.6 0-2.3-1.3-3-1.3s-1.4 1.3-3 1.3c-2.5 0-4.1-2.6-4-6.8z'
  + 'M3.2 7.3c.9 1.6 2.4 1.7 3.4.7c-.9-1.1-2.2-1.3-3.4-.7zM12.8 7.3c-.9 1.6-2.4 1.7-3.4.7c.9-1.1 2.2-1.3 3.4-.7z';

export const You = () => (
  <Icon>
    <path d={youPath} fill="currentColor" />
  </Icon>
);

export const Thief = () => (
  <Icon>
    <path d={thiefPath} fill="currentColor" fillRule="evenodd" />
  </Icon>
);

export const Check = () => (
  <Icon>
    <path d="M2.5 8.5l3.5 3.5l7.5-8" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" strokeLinejoin="round" />
  </Icon>
);

export const Cross = () => (
  <Icon>
    <path d="M3.5 3.5l9 9M12.5 3.5l-9 9" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
  </Icon>
);

export const Dot = () => (
  <Icon>
    <circle cx="8" cy="8" r="2.5" fill="currentColor" />
  </Icon>
);

export const Brand = () => (
  <svg className="brand-mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false">
    <rect className="brand-ground" width="32" height="32" rx="7" />
    <path className="brand-letter" d="M6 10l4.5 13L16 12l5.5 11L26 10" />
  </svg>
);
