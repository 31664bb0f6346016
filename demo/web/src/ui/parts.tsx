import { type ButtonHTMLAttributes, type ReactNode, useEffect, useId, useState } from 'react';
import { agentInWords } from '../words/agent';
import { moment, wholeMoment } from '../words/time';
import { Cross } from './icons';

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: 'primary' | 'plain' | 'danger' | 'quiet';
  /** Its work is under way. It keeps the focus, which a disabled button would lose. */
  busy?: boolean;
}

export function Button({ look = 'plain', busy = false, onClick, type = 'button', className = '', ...rest }: ButtonProps) {
  return (
    <button
      type={type}
      className={`button ${look} ${className}`}
      aria-disabled={busy || undefined}
      data-busy={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
      {...rest}
    />
  );
}

/** What ties an input to its label, its hint and what is wrong with it. */
export interface FieldProps {
  id: string;
  'aria-describedby': string | undefined;
  'aria-invalid': true | undefined;
}

interface FieldOptions {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
  /** Leave the room for a line of error text away: nothing can be wrong. */
  tight?: boolean;
  children: (props: FieldProps) => ReactNode;
}

export function Field({ label, hint, error, tight, children }: FieldOptions) {
  const id = useId();
  const described = [hint ? `${id}-hint` : '', error ? `${id}-error` : ''].filter(Boolean).join(' ');
  return (
    <div className={tight ? 'field tight' : 'field'}>
      <label htmlFor={id}>{label}</label>
      {children({ id, 'aria-describedby': described || undefined, 'aria-invalid': error ? true : undefined })}
      {hint && (
        <div className="hint" id={`${id}-hint`}>
          {hint}
        </div>
      )}
      {error ? (
        <p className="error" id={`${id}-error`}>
          <Cross /> <span>{error}</span>
        </p>
      ) : (
        !tight && <p className="error" aria-hidden="true" />
      )}
    </div>
  );
}

interface PasswordProps {
  field: FieldProps;
  name: string;
  value: string;
  onChange: (value: string) => void;
  autoComplete: 'current-password' | 'new-password';
  required?: boolean;
}

export function PasswordInput({ field, name, value, onChange, autoComplete, required = true }: PasswordProps) {
  const [shown, setShown] = useState(false);
  return (
    <span className="password">
      <input
        {...field}
        name={name}
        type={shown ? 'text' : 'password'}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        autoComplete={autoComplete}
        autoCapitalize="none"
        spellCheck={false}
        maxLength={512}
        required={required}
      />
      <button type="button" className="reveal" aria-pressed={shown} aria-label="Show the password" onClick={() => setShown(!shown)}>
        {shown ? 'Hide' : 'Show'}
      </button>
    </span>
  );
}

interface NoticeProps {
  kind?: 'info' | 'good' | 'bad';
  title?: ReactNode;
  children?: ReactNode;
}

/** A message in its place. What is bad is read out at once, the rest when there is a pause. */
export function Notice({ kind = 'info', title, children }: NoticeProps) {
  return (
    <div className={`notice ${kind}`} role={kind === 'bad' ? 'alert' : 'status'}>
      {title && <p className="notice-title">{title}</p>}
      {children}
    </div>
  );
}

/** Keeps the room for a message that may come. */
export function Slot({ children, lines = 2 }: { children?: ReactNode; lines?: 1 | 2 }) {
  return <div className={`slot lines-${lines}`}>{children}</div>;
}

export function When({ at }: { at: string | number }) {
  const date = new Date(at);
  return (
    <time dateTime={date.toISOString()} title={wholeMoment(date)}>
      {moment(date)}
    </time>
  );
}

export function Agent({ text }: { text: string }) {
  return <span title={text || undefined}>{agentInWords(text)}</span>;
}

/** Holds the place of lines that are on their way. */
export function Skeleton({ lines = 1, className = '' }: { lines?: number; className?: string }) {
  return (
    <div className={`skeleton ${className}`} aria-hidden="true">
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} />
      ))}
    </div>
  );
}

/** The clock, as often as asked; standing still when there is nothing to wait for. */
export function useNow(everyMs: number, running = true): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!running) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, running]);
  return now;
}

interface PageProps {
  title: string;
  lead?: ReactNode;
  children: ReactNode;
  className?: string;
}

/** A page: its heading gets the focus when one comes to it. */
export function Page({ title, lead, children, className = '' }: PageProps) {
  return (
    <div className={`page ${className}`}>
      <title>{`${title} · Watchword`}</title>
      <header className="page-head">
        <h1 tabIndex={-1} data-focus>
          {title}
        </h1>
        {lead && <p className="lead">{lead}</p>}
      </header>
      {children}
    </div>
  );
}
