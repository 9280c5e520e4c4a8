-- In which minutes of a day (UTC) the service took requests: one row a day, one bit a minute (service/src/diag/uptime.ts).
CREATE TABLE uptime_days (
  day date PRIMARY KEY,
  -- A replica took requests in that minute, and could write so.
  up bit(1440) NOT NULL,
  -- Nothing needed attention either.
  well bit(1440) NOT NULL
);
