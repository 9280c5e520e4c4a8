/** The limits of one client address: requests, streams, and how fast they may come. */

/** Per client address: one IPv4 address, or one IPv6 /56, because a home gets a whole /56 (RFC 6177). */
export interface EdgeLimits {
  /** Requests and streams that are open at once. */
  readonly connections: number;
  /** Requests a second; a burst of as many is allowed on top. */
  readonly requestRate: number;
  /** Open streams. */
  readonly streams: number;
  /** New streams a second; a burst of five times as many is allowed: all reconnect at once when the edge restarts. */
  readonly streamRate: number;
}

/** Memory for each limit: about 80,000 addresses of 128 bytes each. New addresses replace the oldest. */
const ZONE = "10m";

/** The directives for nginx's http level. */
export function renderLimitZones({ requestRate, streamRate }: EdgeLimits): string {
  return `
  map $binary_remote_addr $client {
    default $binary_remote_addr;
    "~^(?<prefix>[\\s\\S]{7})[\\s\\S]{9}$" $prefix;
  }
  # An empty key is not counted.
  map $method $stream_client { default ""; GET $client; }
  limit_conn_zone $client zone=connections:${ZONE};
  limit_conn_zone $stream_client zone=streams:${ZONE};
  limit_req_zone $client zone=requests:${ZONE} rate=${requestRate}r/s;
  limit_req_zone $stream_client zone=stream_opens:${ZONE} rate=${streamRate}r/s;
  limit_conn_status 429;
  limit_req_status 429;
  limit_conn_log_level warn;
  limit_req_log_level warn;
`;
}

/** For every request. A location that has limits of its own has to repeat these: nginx inherits all or none. */
export const renderLimits = ({ connections, requestRate }: EdgeLimits): string =>
  `limit_conn connections ${connections};
    limit_req zone=requests burst=${requestRate} nodelay;`;

/** The additional limits of streams. */
export const renderStreamLimits = (limits: EdgeLimits): string =>
  `${renderLimits(limits)}
    limit_conn streams ${limits.streams};
    limit_req zone=stream_opens burst=${5 * limits.streamRate} nodelay;`;
