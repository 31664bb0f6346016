import { clockTime } from '../words/time';
import { isThief } from './token';
import type { SeenRequest } from './types';

const shownAtMost = 15;

/** Requests that are alike but for their moment, one after the other. */
interface Run {
  request: SeenRequest;
  times: number;
  /** The longest. */
  ms: number;
}

const within = 1500;

/** Newest first. */
function runs(requests: SeenRequest[]): Run[] {
  const alike = ({ client, method, path, status, verdict, statements, lost }: SeenRequest) =>
    JSON.stringify([client, method, path, status, verdict, statements, lost]);
  const found: Run[] = [];
  for (const request of requests.toReversed()) {
    const last = found.at(-1);
    if (last && last.request.at - request.at < within && alike(last.request) === alike(request)) {
      last.times++;
      last.ms = Math.max(last.ms, request.ms);
    } else {
      found.push({ request, times: 1, ms: request.ms });
    }
  }
  return found.slice(0, shownAtMost);
}

/** The last requests as the server saw them, newest first. */
export function Requests({ requests }: { requests: SeenRequest[] }) {
  const shown = runs(requests);
  return (
    <section className="requests" aria-labelledby="requests">
      <h2 id="requests">Requests, as the server saw them</h2>
      <div className="table" tabIndex={0} role="group" aria-label="Table of requests">
        <table role="table">
          <thead role="rowgroup">
            <tr role="row">
              <th role="columnheader" scope="col">Time</th>
              <th role="columnheader" scope="col">From</th>
              <th role="columnheader" scope="col">Request</th>
              <th role="columnheader" scope="col">Status</th>
              <th role="columnheader" scope="col">Verdict</th>
              <th role="columnheader" scope="col">Asked of the store</th>
              <th role="columnheader" scope="col" className="number">
                ms
              </th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {shown.map(({ request, times, ms }) => (
              <tr role="row" key={request.id} className={request.lost ? 'lost' : request.status >= 400 ? 'refused' : 'good'}>
                <td role="cell" className="when">{clockTime(new Date(request.at))}</td>
                <td role="cell">
                  <span className={`from ${isThief(request.client) ? 'thief' : ''}`}>{request.client}</span>
                </td>
                <td role="cell" className="request-line">
                  <code>
                    <span className="method">{request.method}</span> {request.path}
                  </code>
                  {times > 1 && <strong className="times-over"> ×{times}</strong>}
                </td>
                <td role="cell" className="status">{request.lost ? 'lost' : request.status}</td>
                <td role="cell" className="verdict">
                  <code>{request.verdict}</code>
                  {request.reason && <span className="quiet"> {request.reason}</span>}
                </td>
                <td role="cell" className="statements">
                  {request.statements.length > 0 ? (
                    request.statements.map((statement, i) => (
                      <code key={i} className="statement">
                        {statement}
                      </code>
                    ))
                  ) : (
                    <span className="quiet">nothing</span>
                  )}
                </td>
                <td role="cell" className="number">{ms < 10 ? ms.toFixed(1) : Math.round(ms)}</td>
              </tr>
            ))}
            {shown.length === 0 && (
              <tr role="row">
                <td role="cell" colSpan={7} className="quiet">
                  None yet.
                </td>
              </tr>
            )}
          </tbody>
        </table>
      </div>
    </section>
  );
}
