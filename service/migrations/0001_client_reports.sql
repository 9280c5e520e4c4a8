-- What pages report about their connection: one row a report, kept 7 days and at most so many (service/src/reports).
CREATE TABLE client_reports (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  received_at timestamptz NOT NULL DEFAULT now(),
  replica text NOT NULL,
  client text NOT NULL,
  latency_p50_ms real,
  latency_p95_ms real,
  reconnects integer NOT NULL,
  errors integer NOT NULL,
  body jsonb NOT NULL
);

CREATE INDEX client_reports_received_at ON client_reports (received_at);
