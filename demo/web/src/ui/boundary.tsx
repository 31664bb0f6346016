import { Component, type ReactNode } from 'react';
import { Button } from './parts';

interface Props {
  /** What is shown: with another one there is another try. */
  of: string;
  children: ReactNode;
}

/** Stands in for a page that has failed. The rest of the page, and what was typed, stay. */
export class ErrorBoundary extends Component<Props, { error: Error | undefined }> {
  override state = { error: undefined as Error | undefined };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override componentDidUpdate(before: Props) {
    if (before.of !== this.props.of && this.state.error) this.setState({ error: undefined });
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <div className="page narrow" role="alert">
        <h1 tabIndex={-1} data-focus>
          This page has failed
        </h1>
        <p className="lead">That is a mistake in the page, and nothing you did. You are still logged in, and no data was changed by it.</p>
        <pre className="code wrap">{error.message}</pre>
        <p className="actions">
          <Button look="primary" onClick={() => this.setState({ error: undefined })}>
            Try again
          </Button>
          <Button onClick={() => location.reload()}>Reload everything</Button>
        </p>
      </div>
    );
  }
}
